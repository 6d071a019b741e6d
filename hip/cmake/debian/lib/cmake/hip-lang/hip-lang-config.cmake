# Stands in for the package of this name, which CMake 3.25 looks for below the root of a ROCm installation and which
# Debian keeps elsewhere. GlmvHip.cmake points CMAKE_HIP_COMPILER_ROCM_ROOT at the folder above lib/ where there is no
# other ROCm.
file(GLOB runtime /usr/lib/*/libamdhip64.so)  # also found from CMake's test projects, which do not know the machine
add_library(hip-lang::device INTERFACE IMPORTED)
set_target_properties(hip-lang::device PROPERTIES
  INTERFACE_COMPILE_DEFINITIONS "$<$<COMPILE_LANGUAGE:HIP>:__HIP_ROCclr__=1>"
  INTERFACE_LINK_LIBRARIES ${runtime})
set(_CMAKE_HIP_DEVICE_RUNTIME_TARGET hip-lang::device)
