# Debian's device libraries in a folder of links, with the one constant that they lack for newer targets: 1000 major +
# 100 minor + step of the target's version.
#
#     cmake -DFROM=FOLDER -DTO=FOLDER -DCLANG=PATH -P device_libraries.cmake
cmake_minimum_required(VERSION 3.25)
file(MAKE_DIRECTORY ${TO})
file(GLOB libraries ${FROM}/*.bc)
foreach(library ${libraries})
  get_filename_component(name ${library} NAME)
  file(CREATE_LINK ${library} ${TO}/${name} SYMBOLIC)
endforeach()
foreach(target 942:9402 1100:11000)
  string(REGEX MATCH "^([0-9]+):([0-9]+)$" _ ${target})
  set(name oclc_isa_version_${CMAKE_MATCH_1})
  if(NOT EXISTS ${TO}/${name}.bc)
    file(WRITE ${TO}/${name}.ll "target triple = \"amdgcn-amd-amdhsa\"\n@__oclc_ISA_version = linkonce_odr "
         "protected local_unnamed_addr addrspace(4) constant i32 ${CMAKE_MATCH_2}, align 4\n")
    execute_process(COMMAND ${CLANG} --target=amdgcn-amd-amdhsa -nogpulib -x ir ${TO}/${name}.ll -c -emit-llvm
                            -o ${TO}/${name}.bc COMMAND_ERROR_IS_FATAL ANY)
  endif()
endforeach()
