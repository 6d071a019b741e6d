# GLMV_CUDA, GLMV_HIP, GLMV_VIDEO, GLMV_MPI: what may be asked for, and what this version has. Sets glmv_parts and
# glmv_absent for the summary. ON for a part that is not there is an error, not a program without it.
set(glmv_parts cpu cuda-emulated hip-emulated)
set(glmv_absent "")

# GLMV_<part> as AUTO, ON or OFF.
function(glmv_wish part wish)
  string(TOUPPER "${GLMV_${part}}" wanted)
  if(wanted STREQUAL "AUTO")
    set(${wish} AUTO PARENT_SCOPE)
  elseif(wanted MATCHES "^(ON|YES|TRUE|Y|1)$")
    set(${wish} ON PARENT_SCOPE)
  elseif(wanted MATCHES "^(OFF|NO|FALSE|N|0)$")
    set(${wish} OFF PARENT_SCOPE)
  else()
    message(FATAL_ERROR "GLMV_${part}=${GLMV_${part}}: AUTO, ON or OFF is wanted")
  endif()
endfunction()

# A part that cannot be built, and why; an error if it was asked for.
macro(glmv_without part wish why)
  string(TOLOWER ${part} name)
  if("${wish}" STREQUAL "ON")
    message(FATAL_ERROR "GLMV_${part}=${GLMV_${part}}: ${name} is ${why}")
  elseif("${wish}" STREQUAL "OFF")
    list(APPEND glmv_absent "${name} (switched off)")
  else()
    list(APPEND glmv_absent "${name} (${why})")
  endif()
endmacro()

include(GlmvCuda)
include(GlmvHip)
include(GlmvVideo)
glmv_wish(MPI wish)
glmv_without(MPI ${wish} "not in this version")
