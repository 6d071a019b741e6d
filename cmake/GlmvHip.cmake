# HIP where a compiler for AMD GPUs is installed; sets GLMV_HAS_HIP. No GPU is needed to build.
#
# A standard ROCm installation (/opt/rocm, ROCM_PATH, or CMAKE_HIP_COMPILER given) is CMake's own business. Debian's
# packages are not laid out as CMake 3.25 expects: for them this file names the compiler, the targets that it knows and
# the device libraries, and hip/cmake/debian stands in for a CMake package.

# Debian: its clang 19 where that is installed (clang-19, lld-19, clang-tools-19), else 15. Sets CMAKE_HIP_* variables, or leaves them alone.
macro(glmv_debian_hip)
  find_library(GLMV_HIP_RUNTIME amdhip64)
  set(devices /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/amdgcn/bitcode)
  if(GLMV_HIP_RUNTIME AND EXISTS ${devices}/ockl.bc)
    set(flags "")
    if(EXISTS /usr/lib/llvm-19/bin/clang++ AND EXISTS /usr/lib/llvm-19/bin/ld.lld AND
       EXISTS /usr/lib/llvm-19/bin/clang-offload-bundler)
      execute_process(COMMAND ${CMAKE_COMMAND} -DFROM=${devices} -DTO=${CMAKE_BINARY_DIR}/hip-device-libraries
                              -DCLANG=/usr/lib/llvm-19/bin/clang -P ${CMAKE_SOURCE_DIR}/hip/cmake/debian/device_libraries.cmake
                      COMMAND_ERROR_IS_FATAL ANY)
      set(devices ${CMAKE_BINARY_DIR}/hip-device-libraries)
      set(CMAKE_HIP_COMPILER /usr/lib/llvm-19/bin/clang++)
      set(targets gfx90a gfx942 gfx1100)
      set(flags "-mcode-object-version=5")
    elseif(EXISTS /usr/lib/llvm-15/bin/clang++)
      set(CMAKE_HIP_COMPILER /usr/lib/llvm-15/bin/clang++)
      set(targets gfx90a gfx940)
    endif()
    if(CMAKE_HIP_COMPILER)
      set(CMAKE_HIP_COMPILER_ROCM_ROOT ${CMAKE_SOURCE_DIR}/hip/cmake/debian)
      if(NOT DEFINED CMAKE_HIP_ARCHITECTURES)
        set(CMAKE_HIP_ARCHITECTURES ${targets} CACHE STRING "targets of the HIP kernels")
      endif()
      # Programs are linked by this compiler too, which then has no use for the targets.
      string(APPEND CMAKE_HIP_FLAGS
        " --rocm-path=/usr --rocm-device-lib-path=${devices} ${flags} -Wno-unused-command-line-argument")
    endif()
  endif()
endmacro()

set(GLMV_HAS_HIP OFF)
glmv_wish(HIP wish)
if(NOT wish STREQUAL "OFF")
  if(NOT CMAKE_HIP_COMPILER AND NOT DEFINED ENV{HIPCXX} AND NOT DEFINED ENV{ROCM_PATH} AND NOT EXISTS /opt/rocm)
    glmv_debian_hip()
  else()
    include(CheckLanguage)
    check_language(HIP)
  endif()
endif()
if(wish STREQUAL "OFF" OR NOT CMAKE_HIP_COMPILER)
  glmv_without(HIP ${wish} "not built: no compiler for AMD GPUs was found, CMAKE_HIP_COMPILER can name one")
else()
  enable_language(HIP)
  set(CMAKE_HIP_STANDARD 17)  # clang 15 does not take the C++20 of g++ 12's headers
  set(GLMV_HAS_HIP ON)
  list(JOIN CMAKE_HIP_ARCHITECTURES "+" architectures)
  list(APPEND glmv_parts "hip (${architectures})")
endif()
