// What making, verifying and judging by a golden pack share: names in its files, and hashes.
#pragma once

#include "crosscheck/golden_pack.h"

namespace glmv {

constexpr std::string_view kGoldPrefix = "gold/", kNoisePrefix = "noise/";

std::string golden_path(const GoldenPack& pack, const std::string& file);

/// The name of a router's correction bias in router.safetensors.
std::string correction_bias_name(int64_t layer);

/// Hashes of a file as it is; of each tensor's bytes too if its name ends in .safetensors. Error (exit code 3): as for
/// opening it.
GoldenHashes hash_file(const std::string& path);

/// Throws an Error (exit code 3) that names the file and, where it can, the tensor, if the file is not as the manifest
/// says.
void check_hash(const GoldenPack& pack, const std::string& file);

/// The same as a fault; nothing if it is as the manifest says.
std::vector<GoldenFault> hash_faults(const GoldenPack& pack, const std::string& file);

/// The script of a prompt as its file holds it: inputs, and the tokens of its steps.
Script script_of_golden(const GoldenPack& pack, const SafetensorsFile& file);

/// Runs as the file has them, for one type; views into the file.
Runs runs_of_golden(const SafetensorsFile& file, DType activation);

}  // namespace glmv
