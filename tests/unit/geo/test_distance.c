#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "geo/distance.h"
#include <math.h>

static void assert_near(double got, double want, double within)
{
    if (!(fabs(got - want) <= within))
        fail_msg("%f is not within %f of %f", got, within, want);
}

static void known_distances_are_right(void **state)
{
    (void)state;
    const double radius = 6371.0088, pi = 3.14159265358979;
    assert_near(geo_distance_km(51.5, -0.1, 51.5, -0.1), 0, 1e-9);
    assert_near(geo_distance_km(0, 0, 0, 180), pi * radius, 1e-6);
    assert_near(geo_distance_km(90, 0, -90, 0), pi * radius, 1e-6);
    assert_near(geo_distance_km(0, 0, 90, 17), pi * radius / 2, 1e-6);
    assert_near(geo_distance_km(0, 179.5, 0, -179.5), pi * radius / 180, 1e-6);
    assert_near(geo_distance_km(40.6413, -73.7781, 51.4700, -0.4543), 5540, 10); /* JFK to LHR */
    assert_near(geo_distance_km(-33.8688, 151.2093, 35.6762, 139.6503), 7820, 30);
}

static void distance_is_symmetric_finite_and_bounded(void **state)
{
    (void)state;
    for (int lat = -90; lat <= 90; lat += 15)
        for (int lon = -180; lon <= 180; lon += 15)
            for (int k = -180; k <= 180; k += 45) {
                double d = geo_distance_km(lat, lon, -lat, k);
                assert_true(d >= 0 && d <= 20015.2);
                assert_near(geo_distance_km(-lat, k, lat, lon), d, 1e-6);
            }
}

static void the_estimate_grows_with_distance(void **state)
{
    (void)state;
    double before = geo_estimated_ms(0);
    assert_near(before, 5, 1e-9);
    for (double km = 0.5; km < 20100; km += 0.5) {
        double ms = geo_estimated_ms(km);
        assert_true(ms > before);
        before = ms;
    }
    assert_near(geo_estimated_ms(5570), 88.6, 0.5); /* London to New York: measured 70 to 90 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_distances_are_right),
        cmocka_unit_test(distance_is_symmetric_finite_and_bounded),
        cmocka_unit_test(the_estimate_grows_with_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
