// The samples of a benchmark, read from where the user has put its data.
#pragma once

#include "eval/media.h"

namespace glmv::eval {

// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON throws only where it is damaged already
struct Sample {
  std::string id;
  Json values;  ///< the manifest's fields
  std::vector<Medium> media;
};

struct Benchmark {
  Manifest manifest;
  size_t layout = 0;
  std::vector<std::string> files;
  std::vector<std::string> hashes;  ///< sha256 of each file
  std::vector<Sample> samples;
  int64_t left_out = 0;              ///< rows that the layout's "keep" excludes
  std::string hash = "not known";    ///< against the manifest's: "matches", "differs"; "not known" for any file: that
  std::vector<MappedFile> mappings;  ///< what the media point into
};

struct LoadOptions {
  bool any_hash = false;  ///< read files whose hash is not the manifest's, too; `hash` says so then
};

/// Looks for the files of each layout in FOLDER/<id> and in FOLDER, and reads the first that is complete.
/// Error (exit code 3): nothing there (names what was looked for and how to get it), a wrong hash, a malformed row, a
/// gold answer that is none of the options, a missing picture or one outside of FOLDER, two samples of one name.
Benchmark load_benchmark(const Manifest& manifest, const std::string& folder, const LoadOptions& options = {});

/// What a model is asked. Media in the order of the parts that stand for them; one may appear twice.
struct Question {
  std::vector<Message> messages;
  std::vector<const Medium*> media;
};

/// The prompt of a sample: marks in the text are replaced by pictures; media that no mark names stand in front.
Question question_of(const Manifest& manifest, const Frame& frame, const Sample& sample);

}  // namespace glmv::eval
