/* geo/distance: great circles.
 * Units     degrees in, kilometres out; mean Earth radius 6371.0088 km (IUGG).
 * Threads   any; pure. */
#pragma once

double geo_distance_km(double lat1, double lon1, double lat2, double lon2);
/* Round-trip milliseconds that a distance is likely to cost where nothing was measured; the formula
 * and its source are in docs/geo.md. Strictly increasing. */
double geo_estimated_ms(double km);
