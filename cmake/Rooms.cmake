# meridian_room(NAME SOURCES a.c ... [LINK room ...] [PRIVATE lib ...])
#
# One folder is one static library. Its public headers live in src/NAME/include/NAME/ and reach
# only those who link it, so that an include against the floors does not compile.
function(meridian_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LINK;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ROOM_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include
                                     PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ROOM_LINK} PRIVATE meridian_flags ${ROOM_PRIVATE})
  if(name IN_LIST hot_rooms)
    target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo,Release>:-O3>)
    if(MERIDIAN_LTO)
      target_compile_options(${name} PRIVATE -flto -ffat-lto-objects)
    endif()
  endif()
endfunction()

# A program that answers: the rooms of the hot path are optimised as one. Their objects hold machine
# code as well, so that everything else links as quickly as ever.
if(MERIDIAN_LTO)
  add_link_options(-fno-lto)
endif()
set(hot_rooms base dns geo zone steer answer)
function(meridian_answers name)
  if(MERIDIAN_LTO)
    target_link_options(${name} PRIVATE -flto -flto-partition=one)
  endif()
endfunction()

# meridian_label(TEST ...): the tier, for ctest -L: the folder of tests/ that we are in.
#
# ctest -j counts thirds of a processor (see scripts/test): what computes all the time has one to itself, an
# end-to-end test waits most of the time and has a third of one, or two: see meridian_busy.
function(meridian_label)
  file(RELATIVE_PATH tier ${CMAKE_SOURCE_DIR}/tests ${CMAKE_CURRENT_SOURCE_DIR})
  string(REGEX REPLACE "/.*" "" tier "${tier}")
  set_tests_properties(${ARGN} PROPERTIES LABELS ${tier})
  if(NOT tier STREQUAL "e2e")
    set_tests_properties(${ARGN} PROPERTIES PROCESSORS 3)
  endif()
endfunction()

# meridian_busy(TEST ...): end-to-end tests that compute, or make others compute, more than a third of their time.
function(meridian_busy)
  set_tests_properties(${ARGN} PROPERTIES PROCESSORS 2)
endfunction()

# meridian_long(TEST ...): end-to-end tests that wait for half a minute and more. ctest starts them first: last,
# they would be waited for alone.
function(meridian_long)
  set_tests_properties(${ARGN} PROPERTIES COST 60)
endfunction()

# meridian_test(NAME SOURCES a.c ... [LINK room ...]): a cmocka program run by ctest.
# MERIDIAN_SOURCE_DIR is the repository, for tests that read its files.
function(meridian_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE meridian_flags ${T_LINK} PkgConfig::CMOCKA)
  target_compile_definitions(${name} PRIVATE MERIDIAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE -Wno-conversion)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  meridian_label(${name})
endfunction()

# meridian_fuzz(NAME SOURCES a.c ... [LINK room ...]): LLVMFuzzerTestOneInput in SOURCES.
# Ordinary builds link it with a driver that replays tests/fuzz/corpus/NAME; MERIDIAN_FUZZ builds
# link it with libFuzzer as well.
function(meridian_fuzz name)
  cmake_parse_arguments(F "" "" "SOURCES;LINK" ${ARGN})
  add_executable(replay_${name} ${F_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
  target_link_libraries(replay_${name} PRIVATE meridian_flags ${F_LINK})
  target_compile_options(replay_${name} PRIVATE -Wno-conversion -Wno-missing-prototypes)
  add_test(NAME fuzz_${name} COMMAND replay_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT 300)
  meridian_label(fuzz_${name})
  if(MERIDIAN_FUZZ)
    add_executable(fuzz_${name} ${F_SOURCES})
    target_link_libraries(fuzz_${name} PRIVATE meridian_flags ${F_LINK} -fsanitize=fuzzer)
    target_compile_options(fuzz_${name} PRIVATE -Wno-conversion -Wno-missing-prototypes)
  endif()
endfunction()
