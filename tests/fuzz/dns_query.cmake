meridian_fuzz(dns_query SOURCES dns_query.c LINK dns)
