# Compiler flags, in one interface target that every library links.
add_library(glmv_flags INTERFACE)
target_include_directories(glmv_flags INTERFACE ${CMAKE_SOURCE_DIR})

# Bits must not depend on what a compiler happens to contract: fused multiply-add is written where it is meant.
target_compile_options(glmv_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-ffp-contract=off>")
if(GLMV_NATIVE)
  target_compile_options(glmv_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-march=native>")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(glmv_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-march=x86-64-v3>")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Passing 32-byte vectors by value inside one program is fine; GCC's note is about libraries built without AVX.
  target_compile_options(glmv_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Wno-psabi>")
  if(GLMV_NATIVE)
    # GCC 12 warns of its own AVX-512 headers: https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105593
    target_compile_options(glmv_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>")
  endif()
endif()
target_compile_definitions(glmv_flags INTERFACE EIGEN_DONT_PARALLELIZE EIGEN_MPL2_ONLY)

if(GLMV_SANITIZE)
  target_compile_options(glmv_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=address,undefined;-fno-sanitize-recover=all;-fno-omit-frame-pointer>")
  target_link_options(glmv_flags INTERFACE -fsanitize=address,undefined)
endif()

if(GLMV_TSAN)
  if(GLMV_SANITIZE)
    message(FATAL_ERROR "GLMV_SANITIZE and GLMV_TSAN exclude each other")
  endif()
  target_compile_options(glmv_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=thread;-fno-omit-frame-pointer>")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Otherwise some functions have no line number in reports: g++ 12's reader of debug information misses them.
    target_compile_options(glmv_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fno-toplevel-reorder>")
  endif()
  target_link_options(glmv_flags INTERFACE -fsanitize=thread)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
