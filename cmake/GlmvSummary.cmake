# What will be built, and why a part will not be.
list(JOIN glmv_parts ", " parts)
list(JOIN glmv_absent ", " absent)
set(machine "x86-64-v3")
if(GLMV_NATIVE)
  set(machine "native")
endif()
message(STATUS "glmv ${PROJECT_VERSION}: ${CMAKE_BUILD_TYPE}, ${machine}, blas ${GLMV_BLAS}, sanitizers ${GLMV_SANITIZE}")
message(STATUS "glmv parts: ${parts}; not built: ${absent}")
