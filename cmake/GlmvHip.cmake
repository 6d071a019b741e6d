# HIP where a compiler for AMD GPUs is installed; sets GLMV_HAS_HIP. No GPU is needed to build.
#
# A standard ROCm installation (/opt/rocm, ROCM_PATH, or CMAKE_HIP_COMPILER given) is CMake's own business. Debian's
# packages are not laid out as CMake 3.25 expects: for them this file names the compiler, the targets that it knows and
# the device libraries, and hip/cmake/debian stands in for a CMake package.

# Debian: its clang 19 where that is installed, else 15. Sets CMAKE_HIP_* variables, or leaves them alone.
macro(glmv_debian_hip)
  find_library(GLMV_HIP_RUNTIME amdhip64)
  set(devices /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/amdgcn/bitcode)
  if(GLMV_HIP_RUNTIME AND EXISTS ${devices}/ockl.bc)
    set(flags "")
    if(EXISTS /usr/lib/llvm-19/bin/clang++)
      glmv_device_libraries(${devices} devices)
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

# Debian's device libraries and the one constant that they lack for newer targets: 1000 major + 100 minor + step.
function(glmv_device_libraries from result)
  set(folder ${CMAKE_BINARY_DIR}/hip-device-libraries)
  file(MAKE_DIRECTORY ${folder})
  file(GLOB libraries ${from}/*.bc)
  foreach(library ${libraries})
    get_filename_component(name ${library} NAME)
    file(CREATE_LINK ${library} ${folder}/${name} SYMBOLIC)
  endforeach()
  foreach(target 942:9402 1100:11000)
    string(REGEX MATCH "^([0-9]+):([0-9]+)$" _ ${target})
    set(name oclc_isa_version_${CMAKE_MATCH_1})
    if(NOT EXISTS ${folder}/${name}.bc)
      file(WRITE ${folder}/${name}.ll "target triple = \"amdgcn-amd-amdhsa\"\n@__oclc_ISA_version = linkonce_odr "
           "protected local_unnamed_addr addrspace(4) constant i32 ${CMAKE_MATCH_2}, align 4\n")
      execute_process(COMMAND /usr/lib/llvm-19/bin/clang --target=amdgcn-amd-amdhsa -nogpulib -x ir ${folder}/${name}.ll
                              -c -emit-llvm -o ${folder}/${name}.bc COMMAND_ERROR_IS_FATAL ANY)
    endif()
  endforeach()
  set(${result} ${folder} PARENT_SCOPE)
endfunction()

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
