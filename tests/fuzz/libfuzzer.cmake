# libFuzzer binaries by clang++, whatever compiler the rest of the build uses: data/, reference/core/, crosscheck/adapters/
# and what of eval/ reads files are compiled once more, with coverage and sanitizers, so nothing of the normal build is
# linked.
find_program(GLMV_CLANGXX NAMES clang++ clang++-19 clang++-16 clang++-15 clang++-14)
if(NOT GLMV_CLANGXX)
  message(FATAL_ERROR "GLMV_FUZZ=ON needs clang++")
endif()

get_target_property(eigen_folder Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
set(fuzz_includes "")
foreach(folder ${CMAKE_SOURCE_DIR} ${eigen_folder} ${STB_INCLUDE_DIR} ${PCRE2_INCLUDE_DIRS} ${WEBP_INCLUDE_DIRS} ${DEFLATE_INCLUDE_DIRS})
  list(APPEND fuzz_includes -I${folder})
endforeach()
set(fuzz_compile ${GLMV_CLANGXX} -std=c++20 -O1 -g -fno-omit-frame-pointer -march=x86-64-v3 -ffp-contract=off -w
    -DEIGEN_DONT_PARALLELIZE -fsanitize=address,undefined -fno-sanitize-recover=all ${fuzz_includes})
set(fuzz_libraries ${PCRE2_LINK_LIBRARIES} ${WEBP_LINK_LIBRARIES} ${DEFLATE_LINK_LIBRARIES} $<TARGET_FILE:JPEG::JPEG>
    $<TARGET_FILE:OpenSSL::Crypto> $<TARGET_FILE:ZLIB::ZLIB>
    ${FFMPEG_LINK_LIBRARIES})

# One object per source, rebuilt when a header it includes changes.
function(glmv_fuzz_object source out)
  file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${source})
  set(object ${CMAKE_BINARY_DIR}/fuzz/${relative}.o)
  get_filename_component(folder ${object} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${fuzz_compile} -fsanitize=fuzzer-no-link -MD -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source} DEPFILE ${object}.d COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Fuzz object ${relative}")
  set(${out} ${object} PARENT_SCOPE)
endfunction()

file(GLOB core_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/reference/core/*.cc ${CMAKE_SOURCE_DIR}/crosscheck/adapters/*.cc)
get_target_property(tested_sources glmv_data SOURCES)  # with or without FFmpeg
list(APPEND tested_sources ${core_sources})
set(tested_objects "")
foreach(source ${tested_sources})
  glmv_fuzz_object(${source} object)
  list(APPEND tested_objects ${object})
endforeach()

# What eval_readers reads through: the rules and importers, and the runner's readers.
get_target_property(eval_folder glmv_eval_score SOURCE_DIR)
get_target_property(eval_tested_sources glmv_eval_score SOURCES)
foreach(name completion data_folder python_literal row_fields template table_json)
  list(APPEND eval_tested_sources ${eval_folder}/${name}.cc)
endforeach()
set(eval_objects "")
foreach(source ${eval_tested_sources})
  glmv_fuzz_object(${source} object)
  list(APPEND eval_objects ${object})
endforeach()

foreach(source ${fuzz_sources})
  get_filename_component(name ${source} NAME_WE)
  glmv_fuzz_object(${source} object)
  set(binary ${CMAKE_BINARY_DIR}/fuzz/${name})
  set(objects ${object} ${tested_objects})
  set(libraries ${fuzz_libraries})
  if(name STREQUAL "eval_readers_fuzz")
    list(APPEND objects ${eval_objects})
    list(APPEND libraries -lfmt -lutf8proc)
  endif()
  add_custom_command(
    OUTPUT ${binary}
    COMMAND ${fuzz_compile} -fsanitize=fuzzer ${objects} -o ${binary} ${libraries}
    DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "libFuzzer binary fuzz/${name}")
  add_custom_target(${name} ALL DEPENDS ${binary})
endforeach()
