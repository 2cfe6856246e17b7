# Compiler settings shared by every room and test.
add_library(meridian_flags INTERFACE)
target_compile_options(meridian_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes
  -Wno-sign-conversion -Werror=implicit-function-declaration -Werror=incompatible-pointer-types
  -fno-common -fno-omit-frame-pointer)
target_compile_definitions(meridian_flags INTERFACE _GNU_SOURCE
  MERIDIAN_VERSION="${PROJECT_VERSION}")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

if(MERIDIAN_SANITIZE STREQUAL "address")
  set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(MERIDIAN_SANITIZE STREQUAL "thread")
  set(sanitize -fsanitize=thread)
elseif(MERIDIAN_SANITIZE)
  message(FATAL_ERROR "MERIDIAN_SANITIZE is address, thread or empty")
endif()
if(sanitize)
  add_compile_options(${sanitize})
  add_link_options(${sanitize})
  target_compile_definitions(meridian_flags INTERFACE MERIDIAN_CHECKED=1)
endif()
if(MERIDIAN_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "MERIDIAN_FUZZ needs clang: configure with -DCMAKE_C_COMPILER=clang")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
