#include "geo/distance.h"

#include <math.h>

#define EARTH_RADIUS_KM 6371.0088
#define RADIANS_PER_DEGREE 0.017453292519943295

double geo_distance_km(double lat1, double lon1, double lat2, double lon2)
{
    /* The haversine form keeps its digits for places that are close together; rounding may carry h
     * past 1 for antipodes, where asin would have no answer. */
    double dlat = (lat2 - lat1) * RADIANS_PER_DEGREE / 2;
    double dlon = (lon2 - lon1) * RADIANS_PER_DEGREE / 2;
    double s = sin(dlat), t = sin(dlon);
    double h = s * s + cos(lat1 * RADIANS_PER_DEGREE) * cos(lat2 * RADIANS_PER_DEGREE) * t * t;
    return 2 * EARTH_RADIUS_KM * asin(sqrt(h < 1 ? h : 1));
}

double geo_estimated_ms(double km)
{
    /* Light in fibre runs at 2/3 c, about 200 km per ms, and cables are about 1.5 times as long as
     * the great circle: together 4/9 c, there and back, plus access at both ends. docs/geo.md. */
    const double speed_of_light_km_per_ms = 299.792458;
    const double access_ms = 5;
    return access_ms + 2 * km / (speed_of_light_km_per_ms * 4 / 9);
}
