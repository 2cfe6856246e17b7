meridian_fuzz(dns_oracle
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/dns_oracle.c ${CMAKE_CURRENT_LIST_DIR}/wire.c
  LINK dns PkgConfig::LDNS)
