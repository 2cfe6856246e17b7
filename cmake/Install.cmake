# cmake --install BUILD [--prefix DIR]: the two programs, the unit, pages and examples. With the
# default prefix /usr/local the unit lands where systemd looks for it as well.
include(GNUInstallDirs)

install(TARGETS meridian meridiand RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# The units name programs and pages where they are installed.
foreach(name meridian.service meridian-feed@.service)
  file(READ ${CMAKE_SOURCE_DIR}/packaging/${name} unit)
  string(REPLACE "/usr/bin/" "${CMAKE_INSTALL_FULL_BINDIR}/" unit "${unit}")
  string(REPLACE "/usr/libexec/" "${CMAKE_INSTALL_FULL_LIBEXECDIR}/" unit "${unit}")
  string(REPLACE "/usr/share/doc/meridian" "${CMAKE_INSTALL_FULL_DOCDIR}" unit "${unit}")
  file(WRITE ${CMAKE_BINARY_DIR}/packaging/${name} "${unit}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/packaging/${name})
  install(FILES ${CMAKE_BINARY_DIR}/packaging/${name} DESTINATION lib/systemd/system)
endforeach()
install(FILES packaging/meridian.sysusers DESTINATION lib/sysusers.d RENAME meridian.conf)

install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(DIRECTORY zones DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES geoip/demo.csv DESTINATION ${CMAKE_INSTALL_DATADIR}/meridian/geoip)
install(PROGRAMS geoip/build DESTINATION ${CMAKE_INSTALL_DATADIR}/meridian/geoip)
