// Small copies of samples' pictures, for reports.
#pragma once

#include <string>
#include <vector>

#include "eval/media.h"

namespace glmv::eval {

constexpr size_t kMostPictures = 32;  ///< kept of one sample

/// The PNGs that a run keeps of a sample, in the order of its media; empty if it has none.
std::vector<std::string> kept_thumbnails(const std::string& run, const std::string& task, const std::string& sample);

/// Makes and keeps them: each picture, or the middle frame of a clip, at most 128 pixels wide and high. Nothing is made
/// of a medium that cannot be decoded; the run has told about it when it was asked about.
void keep_thumbnails(const std::string& run, const std::string& task, const std::string& sample,
                     const std::vector<Medium>& media);

}  // namespace glmv::eval
