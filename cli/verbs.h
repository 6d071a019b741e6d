// The verbs of the command line. Each adds itself to the app and leaves its exit code in `exit_code`.
#pragma once

#include <CLI/CLI.hpp>

namespace glmv::cli {

void add_info(CLI::App& app, int& exit_code);
void add_preprocess(CLI::App& app, int& exit_code);
void add_generate(CLI::App& app, int& exit_code);
void add_trace(CLI::App& app, int& exit_code);
void add_crosscheck(CLI::App& app, int& exit_code);
void add_golden(CLI::App& app, int& exit_code);
void add_diff(CLI::App& app, int& exit_code);
void add_tour(CLI::App& app, int& exit_code);
void add_cases(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_compare(CLI::App& app, int& exit_code);
void add_eval(CLI::App& app, int& exit_code);
void add_score(CLI::App& app, int& exit_code);

}  // namespace glmv::cli
