// Small copies of samples' first pictures, for reports.
#pragma once

#include <string>

#include "eval/media.h"

namespace glmv::eval {

/// The PNG that a run keeps of a sample, "" if it has none.
std::string kept_thumbnail(const std::string& run, const std::string& task, const std::string& sample);

/// Makes and keeps it: the picture, or the middle frame of a clip, at most 128 pixels wide and high. Nothing is made of
/// a medium that cannot be decoded; the run has told about it when it was asked about.
void keep_thumbnail(const std::string& run, const std::string& task, const std::string& sample, const Medium& medium);

}  // namespace glmv::eval
