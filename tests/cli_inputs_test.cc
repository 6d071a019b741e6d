// What strangers gave the command line to break it: every one of these once crashed, hung, lied or said too little.
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "reference/moe_route.h"
#include "reference/rmsnorm.h"
#include "tests/cli_fixture.h"

namespace glmv {
namespace {

class Inputs : public Cli {
 protected:
  /// A copy of the twin by symbolic links, in which some files are the test's own.
  fs::path twin(const std::string& replaced) const {
    fs::path copy = path("twin");
    fs::remove_all(copy);
    fs::create_directories(copy);
    for (const auto& entry : fs::directory_iterator(kTwin)) {
      const std::string name = entry.path().filename().string();
      if (name != replaced && name != "traces") fs::create_symlink(entry.path(), copy / name);
    }
    return copy;
  }
  void write(const fs::path& file, const std::string& text) const {
    std::ofstream(file.is_absolute() ? file : path(file.string()), std::ios::binary) << text;
  }
  /// Nothing but the files that a test runs with.
  size_t entries() const {
    size_t n = 0;
    for (const auto& entry : fs::directory_iterator(dir_)) {
      const std::string name = entry.path().filename().string();
      n += name != "stdout" && name != "stderr";
    }
    return n;
  }

  struct Ended {
    int signal = 0, code = -1;
  };
  /// Starts glmv, sends it a signal after a while, and waits.
  Ended interrupted(std::vector<std::string> arguments, int signal, int after_ms) const {
    arguments.insert(arguments.begin(), GLMV_BINARY_DIR "/glmv");
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(signal, SIG_DFL);  // ctest in the background would leave it ignored
      const bool moved = ::chdir(dir_.c_str()) == 0;
      const bool quiet = std::freopen("/dev/null", "w", stdout) && std::freopen("/dev/null", "w", stderr);
      if (moved && quiet) ::execv(argv[0], argv.data());
      ::_exit(99);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(after_ms));
    ::kill(child, signal);
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
  }
};

// ------------------------------------------------------------------------------------------------------- patterns

TEST_F(Inputs, PatternsNeitherCrashNorHang) {
  expect_error("cases '" + std::string(50000, '(') + "'", 2, {"pattern", "50000 bytes"});
  expect_error("cases '" + std::string(4000, '(') + "'", 2, {"not a regular expression"});
  expect_error("cases --list '(.*)*!'", 2, {"(.*)*!"});
  const std::string runs_away = "^(.+)+[!-#]$";
  expect_error("cases --list '" + runs_away + "'", 2, {runs_away, "match limit", "limit"});
  expect_error("trace --prompt x -o t --layers '" + runs_away + "'", 2, {"--layers", runs_away, "match limit"});
  expect_error("trace --prompt x -o t --layers '" + std::string(50000, '(') + "'", 2, {"--layers", "50000 bytes"});
  expect_error("trace --prompt x -o t --layers '[' --model nowhere", 2, {"--layers [", "not a regular expression"});
  EXPECT_EQ(entries(), 0u);
}

// ----------------------------------------------------------------------------------------------------------- tour

class Tour : public Inputs {
 protected:
  /// `glmv tour` on one held-out question that was spoiled.
  std::string with(const std::function<void(Json& all, Json& prompt)>& spoil) const {
    Json heldout = Json::parse(read(kTwin + "/heldout/heldout.json"));
    Json prompt = heldout["prompts"][0];
    heldout["prompts"] = Json::array();
    spoil(heldout, prompt);
    if (heldout.is_object() && heldout["prompts"] == Json::array()) heldout["prompts"].push_back(prompt);
    return with_text(heldout.dump());
  }
  std::string with_text(const std::string& text) const {
    const fs::path model = twin("heldout");
    fs::create_directories(model / "heldout");
    for (const char* picture : {"objects-000-0.png", "objects-001-0.png"})
      fs::copy_file(kTwin + "/heldout/" + picture, model / "heldout" / picture);
    write(model / "heldout/heldout.json", text);
    return "tour --model " + model.string();
  }
};

TEST_F(Tour, OneQuestionIsEnough) {
  const Result r = glmv(with([](Json&, Json&) {}));
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("1 questions were asked"), std::string::npos) << r.out;
}

TEST_F(Tour, MalformedQuestionsNameFileFieldAndValue) {
  const auto media = [&](const Json& value, const std::vector<std::string>& parts) {
    expect_error(with([&](Json&, Json& p) { p["media"] = value; }), 3, parts);
  };
  media(Json::array(), {"heldout.json: prompts[0].media is []"});
  media(nullptr, {"heldout.json: prompts[0]: media is missing"});
  media(Json::object(), {"heldout.json: prompts[0].media is {}"});
  media({3}, {"prompts[0].media[0] is 3"});
  media({{{"type", "image"}}}, {"prompts[0].media[0]: path is missing"});
  media({{{"type", "audio"}}}, {"media[0].type is \"audio\""});
  media({{{"type", "image"}, {"path", "no.png"}}}, {"heldout/no.png"});
  media({{{"type", "image"}, {"path", std::string("objects-000-0.png\0x", 19)}}}, {"zero byte"});
  const Json frames = {"objects-000-0.png", "objects-000-0.png"};
  const auto clip = [&](const Json& f, const Json& fps, const Json& indices, const char* part) {
    media({{{"type", "video"}, {"frames", f}, {"fps", fps}, {"frames_indices", indices}}}, {part});
  };
  clip(frames, 0, {0, 1}, "media[0].fps is 0");
  clip(frames, 2, Json::array({0}), "media[0].frames_indices is [0]");
  clip(Json::array(), 2, Json::array(), "media[0].frames is []");
  for (const char* key : {"kind", "question", "gold", "answer", "thinking", "right", "ids"}) {
    expect_error(with([&](Json&, Json& p) { p[key] = 7; }), 3, {concat("heldout.json: prompts[0].", key, " is 7")});
    expect_error(with([&](Json&, Json& p) { p.erase(key); }), 3, {concat("prompts[0]: ", key, " is missing")});
  }
  expect_error(with([&](Json& all, Json&) { all["prompts"] = 3; }), 3, {"heldout.json: prompts is 3"});
  expect_error(with([&](Json& all, Json&) { all = 3; }), 3, {"heldout.json"});
  expect_error(with_text("{"), 3, {"heldout.json", "JSON"});
}

TEST_F(Tour, WithoutQuestionsIsSkipped) {
  const Result r = glmv(with_text(R"({"prompts": []})"));
  EXPECT_EQ(r.code, 77);
  EXPECT_NE(r.err.find("heldout.json: prompts is empty"), std::string::npos) << r.err;
}

TEST_F(Tour, PicturesThatItReadsAreNotReplaced) {
  const std::string tour = with([](Json&, Json&) {});
  const fs::path page = path("page"), heldout = path("twin") / "heldout";
  fs::create_directories(page);
  fs::create_symlink(heldout / "heldout.json", page / "objects-000-0.png");
  const std::string before = read(heldout / "heldout.json");
  EXPECT_EQ(glmv(tour + " -o page").code, 2);
  EXPECT_EQ(read(heldout / "heldout.json"), before);
  EXPECT_EQ(glmv(tour + " -o twin/heldout").code, 0) << "beside the pictures it needs no copies";
}

TEST_F(Tour, ATraceWithNothingToJudgeIsNoPass) {
  const std::string tour = with([](Json&, Json&) {});
  fs::create_directories(path("twin") / "traces");
  EXPECT_EQ(glmv("preprocess --prompt x -o twin/traces/inputs.safetensors").code, 0);
  EXPECT_EQ(glmv(tour).code, 77);
}

TEST_F(Tour, TheFolderIsCheckedFirst) {
  write("file", "mine");
  expect_error("tour -o file --model nowhere", 3, {"file: exists and is not a folder"});
  expect_error("tour -o file/below --model nowhere", 3, {"file/below"});
  expect_error("tour -o - --model nowhere", 2, {"-o"});
  EXPECT_EQ(read(path("file")), "mine");
}

// ---------------------------------------------------------------------------------------------------- input files

TEST_F(Inputs, OnlyRegularFilesAreRead) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  fs::create_directories(path("folder"));
  for (const std::string file : {"pipe", "/dev/zero", "folder"}) {
    expect_error("preprocess --prompt x --image " + file, 3, {file + ": a ", "not a regular file"});
    expect_error("preprocess --messages " + file, 3, {file + ": a ", "not a regular file"});
    expect_error("trace -o t --inputs " + file, 3, {file + ": a ", "not a regular file"});
    expect_error("cases --check " + file, 3, {file + ": a ", "not a regular file"});
  }
  for (const char* name : {"tokenizer.json", "config.json", "preprocessor_config.json", "generation_config.json"}) {
    for (const char* kind : {"pipe", "folder", "/dev/zero"}) {
      const fs::path model = twin(name);
      fs::create_symlink(kind[0] == '/' ? fs::path(kind) : path(kind), model / name);
      expect_error("preprocess --prompt x --model twin", 3, {concat(name, ": a "), "not a regular file"});
    }
  }
}

TEST_F(Inputs, WeightsThatAreNoFileAreNotJustMissing) {
  const fs::path model = twin("model.safetensors");
  fs::create_symlink("gone", model / "model.safetensors");
  for (const std::string verb : {"info", "generate --prompt x"})
    expect_error(verb + " --model twin", 3, {"twin/model.safetensors: ", "No such file"});
  fs::remove(model / "model.safetensors");
  fs::create_directories(model / "model.safetensors");
  expect_error("generate --prompt x --model twin", 3, {"twin/model.safetensors: ", "a folder"});
}

TEST_F(Inputs, FilesThatAreReadWholeHaveALimit) {
  write("huge", "\x89PNG\r\n\x1a\n");
  fs::resize_file(path("huge"), uintmax_t{600} << 20);  // a hole: takes no room on the disk
  expect_error("preprocess --prompt x --image huge", 3, {"huge: 629145600 bytes, at most 536870912"});
  expect_error("preprocess --messages huge", 3, {"huge: 629145600 bytes"});
  const fs::path model = twin("tokenizer.json");
  fs::create_symlink(path("huge"), model / "tokenizer.json");
  expect_error("preprocess --prompt x --model twin", 3, {"tokenizer.json: 629145600 bytes"});
}

TEST_F(Inputs, NoConfigurationMakesPicturesOfEndlessSize) {
  const auto with = [&](const std::function<void(Json&)>& spoil) {
    Json config = Json::parse(read(kTwin + "/preprocessor_config.json"));
    spoil(config);
    write(twin("preprocessor_config.json") / "preprocessor_config.json", config.dump());
    return "preprocess --prompt x --model twin --image " + kPicture;
  };
  const auto volumes = [&](int64_t least, int64_t most) {
    return with([&](Json& c) { c["size"] = {{"shortest_edge", least}, {"longest_edge", most}}; });
  };
  expect_error(volumes(2147483647, 2147483647), 2, {"preprocessor_config.json: shortest_edge is 2147483647"});
  expect_error(volumes(int64_t{1} << 40, int64_t{1} << 40), 2, {"preprocessor_config.json: shortest_edge is"});
  EXPECT_EQ(glmv(volumes(12544, 2147483647)).code, 0);
  expect_error(with([](Json& c) { c["patch_size"] = 1024, c["merge_size"] = 64; }), 2,
               {"preprocessor_config.json: patch_size 1024 x merge_size 64"});
}

// -------------------------------------------------------------------------------------------- signals and streams

TEST_F(Inputs, ASignalDuringThePromptEndsAtOnce) {
  std::string prompt;
  for (int i = 0; i < 2000; ++i) prompt += "a b ";
  const Ended e =
      interrupted({"generate", "--prompt", prompt, "--dtype", "f64", "--threads", "1", "-o", "answer"}, SIGINT, 400);
  EXPECT_EQ(e.signal, SIGINT);
  EXPECT_EQ(interrupted({"cases", "-o", "answer"}, SIGTERM, 400).signal, SIGTERM);
  EXPECT_EQ(interrupted({"trace", "--prompt", prompt, "--dtype", "f64", "--threads", "1", "-o", "answer"}, SIGINT, 400)
                .signal,
            SIGINT);
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Inputs, AnInterruptedAnswerIsNotTakenForAWholeOne) {
  write("answer", "an old one");
  const Ended e = interrupted(
      {"generate", "--prompt", "hi", "--ignore-eos", "-n", "4000", "--dtype", "f64", "--threads", "1", "-o", "answer"},
      SIGINT, 400);
  EXPECT_TRUE(e.code == 130 || e.signal == SIGINT) << e.code;  // the latter on a machine that has no token yet
  EXPECT_EQ(read(path("answer")), "an old one");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Inputs, AClosedStdoutIsNoticedAtTheNextToken) {
  const std::string ask = "$GLMV generate --prompt hi --ignore-eos -n 4000 --threads 1 ";
  for (const char* rest : {"; echo $? > code; } | head -c 1 > /dev/null", "--json; echo $? > code; } | sleep 0.3"}) {
    const Result r = shell("{ " + ask + rest);
    EXPECT_EQ(read(path("code")), "3\n");
    // A slow program finds it closed before its first token.
    const bool at_once = r.err.find("stdout: is closed, so the result cannot be written") != std::string::npos;
    EXPECT_TRUE(at_once || r.err.find("stdout: cannot be written any more, after ") != std::string::npos) << r.err;
    EXPECT_EQ(r.err.find("after 4000"), std::string::npos) << r.err;
  }
  const Result full = shell(ask + "> /dev/full");
  EXPECT_EQ(full.code, 3);
  EXPECT_NE(full.err.find("after 1 tokens"), std::string::npos) << full.err;
  EXPECT_EQ(shell(ask + ">&-").code, 3);
  EXPECT_EQ(shell("$GLMV info >&-").code, 3);
  // A file must not slip into the place of the closed stream.
  EXPECT_EQ(shell("$GLMV generate --prompt hi -n 2 -o answer >&- 2>&-").code, 0);
  EXPECT_EQ(read(path("answer")).find('['), std::string::npos);
}

// -------------------------------------------------------------------------------------------------------- context

TEST_F(Inputs, APromptLongerThanTheContextIsAnError) {
  std::string prompt;
  for (int i = 0; i < 2500; ++i) prompt += "a b ";
  for (const std::string verb : {"generate", "trace -o t"}) {
    expect_error(concat(verb, " --prompt '", prompt, "'"), 3,
                 {"--prompt", "5007 tokens", "4096", "max_position_embeddings"});
  }
  Tensor ids(DType::i64, {4097});
  write_safetensors(path("ids").string(), {{"input_ids", ids.view}}, {});
  expect_error("generate --inputs ids", 3, {"ids: ", "4097 tokens", "4096"});
  expect_error("crosscheck --against ids", 3, {"ids: ", "4097 tokens", "4096"});
}

TEST_F(Inputs, GenerationStopsWhereTheContextEnds) {
  const std::string model = "--model " + kGolden + "moe_a --inputs ids ";
  Tensor ids(DType::i64, {4094});
  for (int64_t i = 0; i < 4094; ++i) ids.data<int64_t>()[i] = 5 + i % 7;
  write_safetensors(path("ids").string(), {{"input_ids", ids.view}}, {});
  const Result r = glmv("generate --ignore-eos -n 9 --json " + model);
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(Json::parse(r.out)["completion_tokens"], 2);
  for (const char* part : {"warning", "4094", "--max-new-tokens 9", "4096", "stops after 2"})
    EXPECT_NE(r.err.find(part), std::string::npos) << part << " is not in: " << r.err;
  const Result t = glmv("trace --steps 9 --layers logits -o t " + model);
  ASSERT_EQ(t.code, 0) << t.err;
  EXPECT_NE(t.err.find("--steps 9"), std::string::npos) << t.err;
  EXPECT_EQ(SafetensorsFile::open(path("t").string()).metadata().at("steps"), "2");
}

// --------------------------------------------------------------------------------------------------------- output

TEST_F(Inputs, OutputsFollowLinksAndRespectPermissions) {
  fs::create_directories(path("there"));
  write("there/kept", "old");
  fs::permissions(path("there/kept"), fs::perms(0640));
  fs::create_symlink("there/kept", path("link"));
  fs::create_symlink("there/new", path("dangling"));
  fs::create_symlink("loop", path("loop"));
  write("locked", "mine");
  fs::permissions(path("locked"), fs::perms(0444));
  for (const std::string verb : {"info", "cases --dump add/f32_T1_H8"}) {
    fs::remove(path("there/new"));
    ASSERT_EQ(glmv(verb + " -o link").code, 0);
    ASSERT_EQ(glmv(verb + " -o dangling").code, 0);
    EXPECT_TRUE(fs::is_symlink(path("link")) && fs::is_symlink(path("dangling")));
    EXPECT_GT(fs::file_size(path("there/kept")), 100u);
    EXPECT_EQ(fs::status(path("there/kept")).permissions(), fs::perms(0640));
    EXPECT_GT(fs::file_size(path("there/new")), 100u);
    expect_error(verb + " -o loop", 3, {"loop", "symbolic links"});
    expect_error(verb + " -o locked", 3, {"locked", "read-only"});
    EXPECT_EQ(read(path("locked")), "mine");
  }
}

TEST_F(Inputs, AResultNeverReplacesAnInput) {
  const fs::path model = snapshot([](const fs::path&) {});
  fs::copy_file(kGolden + "moe_a/traces/text.safetensors", path("trace"));
  fs::copy_file(kPicture, path("picture.png"));
  fs::create_hard_link(path("trace"), path("link"));
  write("ask.json", R"([{"role": "user", "content": "hi"}])");
  ASSERT_EQ(glmv("trace --image picture.png --prompt x -o twin").code, 0);
  const std::string golden = " --model " + model.string();
  for (const std::string& line : {
           "trace --inputs trace -o trace" + golden,
           "trace --inputs trace -o link" + golden,
           "trace --inputs trace -o model/model.safetensors" + golden,
           "generate --inputs trace -o model/config.json" + golden,
           "crosscheck --against trace -o trace" + golden,
           "diff trace trace --json -o trace" + std::string(),
           "info -o model/config.json" + golden,
           "preprocess --prompt x --image picture.png -o picture.png" + std::string(),
           "generate --messages ask.json -n 1 -o ask.json" + std::string(),
           "crosscheck --against twin --image picture.png --prompt x -o picture.png" + std::string(),
       }) {
    std::map<std::string, std::string> before;
    for (const auto& file : fs::recursive_directory_iterator(dir_)) {
      if (file.is_regular_file() && file.path().filename().string().rfind("std", 0) != 0)
        before[file.path().string()] = read(file.path());
    }
    expect_error(line, 2, {"-o ", "would be replaced"});
    for (const auto& [file, bytes] : before) EXPECT_EQ(read(file), bytes) << line << " changed " << file;
  }
}

TEST_F(Inputs, OutputsAreCheckedBeforeTheWork) {
  fs::create_directories(path("folder"));
  write("file", "mine");
  // Were the work begun, it would fail on the missing model or picture first.
  for (const std::string verb :
       {"info --model nowhere", "generate --model nowhere --prompt x", "trace --model nowhere --prompt x",
        "preprocess --model nowhere --prompt x", "preprocess --model nowhere --prompt x --json", "cases no_such_case",
        "cases --dump no_such_case"}) {
    expect_error(verb + " -o folder", 3, {"folder: ", "a folder"});
    expect_error(verb + " -o missing/file", 3, {"missing/file: ", "No such file"});
    expect_error(verb + " -o file/below", 3, {"file/below: "});
  }
}

TEST_F(Inputs, ADashIsStdoutForTextOnly) {
  EXPECT_NE(glmv("info -o -").out.find("parameters"), std::string::npos);
  EXPECT_EQ(Json::parse(glmv("preprocess --prompt x --json -o -").out)["schema"], "glmv.preprocess/1");
  EXPECT_NE(glmv("generate --prompt x -n 2 -o -").out, "");
  EXPECT_NE(glmv("cases sample -o -").out.find("12 passed"), std::string::npos);
  for (const std::string verb : {"trace --prompt x", "preprocess --prompt x", "cases --dump add/f32_T1_H8", "tour"})
    expect_error(verb + " -o -", 2, {"-o"});
  expect_error("trace --prompt x -o ''", 2, {"-o"});
  EXPECT_EQ(entries(), 0u);
}

// ------------------------------------------------------------------------------------------------------- messages

TEST_F(Inputs, NumbersThatAreNoneAreNamed) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {std::nanf(""), infinity}) {
    const std::string model = snapshot([&](const fs::path& m) {
      rewrite(m, [&](NamedTensors& tensors) {
        static Tensor spoiled;
        for (auto& [name, view] : tensors) {
          if (name != "model.language_model.layers.0.input_layernorm.weight") continue;
          Tensor values(DType::f32, view);
          convert(view, values.view);
          values.data<float>()[3] = value;
          spoiled = Tensor(view.dtype, view);
          convert(values.view, spoiled.view);
          view = spoiled.view;
        }
      });
    });
    const std::string inputs = concat(" --inputs ", kGolden, "moe_a/traces/greedy.safetensors --model ", model);
    for (const std::string verb : {"generate", "trace -o t"}) {
      expect_error(verb + inputs, 3,
                   {"model.safetensors", "layers.0.input_layernorm.weight[3] is", std::isnan(value) ? "nan" : "inf"});
    }
  }
  ASSERT_EQ(glmv("preprocess --prompt x --image " + kPicture + " -o in").code, 0);
  const SafetensorsFile file = SafetensorsFile::open(path("in").string());
  NamedTensors tensors(file.tensors().begin(), file.tensors().end());
  Tensor pixels(DType::f32, file.get("pixel_values"));
  pixels.data<float>()[pixels.view.dim[1] + 4] = infinity;
  for (auto& [name, view] : tensors) view = name == "pixel_values" ? ConstTensorView(pixels.view) : view;
  write_safetensors(path("bad").string(), tensors, {});
  expect_error("generate --inputs bad", 3, {"bad: pixel_values[1,4] is inf"});
}

TEST_F(Inputs, TextsThatAreNotUtf8AreLocated) {
  expect_error("preprocess --prompt \"$(printf 'ab\\377cd')\"", 3, {"--prompt", "byte 2 of the text"});
  expect_error("preprocess --prompt x --system \"$(printf 'abc\\303')\"", 3, {"--system", "byte 3 of the text"});
  write("chat.json", "[{\"role\": \"user\", \"content\": \"a\xff\"}]");
  expect_error("preprocess --messages chat.json", 3, {"chat.json", "UTF-8"});
}

TEST_F(Inputs, MessagesNameTheirFile) {
  write("chat.json", R"([{"role": "user", "content": "what is <|image|>?"}])");
  expect_error("preprocess --messages chat.json", 3, {"chat.json: ", "1 <|image|> placeholder and 0 pictures"});
  write("zero.json", R"([{"role": "user", "content": [{"type": "image", "path": "a.png\u0000.png"}]}])");
  expect_error("preprocess --messages zero.json", 3, {"zero.json: messages[0].content[0].path", "zero byte"});
  Tensor ids(DType::i64, {3}), grid(DType::i64, {1, 3}), pixels(DType::f32, {4, 1176});
  for (int axis = 0; axis < 3; ++axis) grid.data<int64_t>()[axis] = axis == 0 ? 1 : 2;
  write_safetensors(path("in").string(),
                    {{"input_ids", ids.view}, {"image_grid_thw", grid.view}, {"pixel_values", pixels.view}}, {});
  expect_error("generate --inputs in", 3, {"in: ", "0 pictures, but 1 was given"});
  write_png(path("ribbon.png").string(), {30000, 10, std::vector<uint8_t>(900000, 7)});
  expect_error("preprocess --image ribbon.png --prompt x", 3, {"ribbon.png", "30000x10"});
}

TEST_F(Inputs, FlagsSayWhatTheyTake) {
  expect_error("foo", 2, {"foo", "no such verb", "generate"});
  expect_error("Info", 2, {"Info"});
  expect_error("--fool", 2, {"--fool", "no such verb"});
  expect_error("''", 2, {"\"\": no such verb"});
  for (const char* fps : {"0", "-1", "nan", "inf", "1e7", "two", ""}) {
    const Result r = glmv(concat("preprocess --prompt x --fps '", fps, '\''));
    EXPECT_EQ(r.code, 2) << fps;
    EXPECT_LT(r.err.size(), 200u) << r.err;
    EXPECT_NE(r.err.find("--fps"), std::string::npos) << r.err;
  }
  expect_error("generate --prompt x --fps 7", 2, {"--fps 7", "no --video"});
  expect_error("generate --inputs t --no-think", 2, {"--inputs", "--no-think"});
  expect_error("crosscheck --prompt x --against-backend cpu --map a=b", 2, {"--map a=b"});
  for (const char* seed : {"-1", "1.5", "18446744073709551616", "x"})
    expect_error(concat("cases sample --seed ", seed), 2, {"--seed", seed});
  EXPECT_EQ(glmv("cases sample --seed 18446744073709551615").code, 0);
}

TEST_F(Inputs, WhatIsNoSafetensorsFileIsCalledThat) {
  for (const std::string& file : {kSource + "/README.md", kPicture, kTwin + "/config.json"}) {
    expect_error("trace -o t --inputs " + file, 3, {file + ": not a safetensors file"});
  }
}

TEST_F(Inputs, EveryEntryOfAClipCounts) {
  const auto clip = [&] {
    fs::remove_all(path("clip"));
    fs::create_directories(path("clip"));
    for (int i = 0; i < 2; ++i)
      fs::copy_file(concat(kTwin, "/heldout/video-000-", i, ".png"), path(concat("clip/", i, ".png")));
  };
  const std::string ask = "preprocess --prompt x --video clip";
  clip(), write("clip/.DS_Store", "hidden files are no frames");
  EXPECT_EQ(glmv(ask).code, 0);
  clip(), fs::create_symlink("nowhere", path("clip/2.png"));
  expect_error(ask, 3, {"clip/2.png", "No such file"});
  clip(), fs::create_directories(path("clip/more"));
  expect_error(ask, 3, {"clip/more", "a folder"});
  clip();
  ASSERT_EQ(::mkfifo(path("clip/2.png").c_str(), 0600), 0);
  expect_error(ask, 3, {"clip/2.png", "not a regular file"});
  clip(), write("clip/notes.txt", "not a picture");
  expect_error(ask, 3, {"clip/notes.txt", "not a PNG"});
  clip(), fs::copy_file(kGolden + "images/very_flat.png", path("clip/2.png"));
  expect_error(ask, 3, {"clip", "frame 3 (clip/2.png)"});
}

// ---------------------------------------------------------------------------------------------------------- cases

TEST_F(Inputs, CrosscheckRefusesFlagsThatDoNothing) {
  const std::string trace = "crosscheck --against " + kGolden + "moe_a/traces/text.safetensors --model " + kGolden +
                            "moe_a --against-backend ";
  expect_error(trace + "cpu --prompt hi", 2, {"--against-backend cpu", "leave out"});
  expect_error(trace + "''", 2, {"--against-backend", "a name is wanted"});
}

TEST_F(Inputs, WhereOurOwnRunBreaksDownNothingIsJudged) {
  const std::string inputs = kGolden + "moe_a/traces/text.safetensors";
  const SafetensorsFile trace = SafetensorsFile::open(inputs);
  const ConstTensorView ids = trace.get("input_ids");
  const int64_t last = static_cast<const int64_t*>(ids.data)[ids.size() - 1];  // no other token attends to it
  for (const bool only_one : {false, true}) {
    const std::string model = snapshot([&](const fs::path& copy) {
      rewrite(copy, [&](NamedTensors& tensors) {
        for (auto& [name, view] : tensors) {
          if (name != "model.language_model.embed_tokens.weight") continue;
          static Tensor large;  // its squares are beyond f32
          large = Tensor(DType::f32, view);
          convert(view, large.view);
          const int64_t width = view.dim[1];
          for (int64_t i = 0; i < view.size(); ++i) {
            if (!only_one || i / width == last) large.data<float>()[i] *= 3e20F;
          }
          view = large.view;
        }
      });
    });
    ASSERT_EQ(glmv(concat("trace --model ", model, " --inputs ", inputs, " -o t")).code, 0);
    const Result r = glmv("crosscheck --against t --model " + model);
    EXPECT_EQ(r.code, 4) << r.out << r.err;
    EXPECT_NE(r.out.find("from model.language_model.layers.0.input_layernorm on"), std::string::npos) << r.out;
    if (!only_one) continue;
    // The rows of the other tokens are judged as strictly as ever.
    const SafetensorsFile mine = SafetensorsFile::open(path("t").string());
    NamedTensors tensors(mine.tensors().begin(), mine.tensors().end());
    Tensor logits(DType::f32, mine.get("logits"));
    convert(mine.get("logits"), logits.view);
    logits.data<float>()[3] += 0.01F;
    for (auto& [name, view] : tensors) {
      if (name == "logits") view = logits.view;
    }
    write_safetensors(path("wrong").string(), tensors, mine.metadata());
    EXPECT_EQ(glmv("crosscheck --against wrong --model " + model).code, 1);
  }
}

TEST_F(Inputs, HelpThatCannotBeWrittenIsAnError) {
  EXPECT_EQ(shell("$GLMV --help > /dev/full").code, 3);
  EXPECT_EQ(shell("$GLMV diff --help > /dev/full").code, 3);
}

TEST_F(Inputs, CasesRefuseFlagsThatDoNothing) {
  for (const std::string verb : {"--dump add/f32_T1_H8 -o c", "--list", "add", "add/f32_T1_H8 --check c"})
    expect_error("cases " + verb + " --backend cuda", 5, {"cuda"});
  expect_error("cases --dump add/f32_T1_H8 -o c --json", 2, {"--json"});
  expect_error("cases --dump add/f32_T1_H8 -o c --list", 2, {"--list"});
  expect_error("cases add --dump add/f32_T1_H8 -o c", 2, {"--dump"});
  const Json list = Json::parse(glmv("cases --list --json ^sample/").out);
  EXPECT_EQ(list["schema"], "glmv.cases/1");
  EXPECT_GE(list["cases"].size(), 12u);
  for (const Json& c : list["cases"]) EXPECT_EQ(c["name"].get<std::string>().rfind("sample/", 0), 0u) << c["name"];
  EXPECT_EQ(list["cases"][0]["name"], "sample/f32_T1_V1");
}

TEST_F(Inputs, WhatWasWrittenIsSaid) {
  const Result dump = glmv("cases --dump add/f32_T1_H8 -o c");
  EXPECT_EQ(dump.err, "c: 4 tensors and 0 other arguments of add/f32_T1_H8, seed 1\n");
  const Result inputs = glmv("preprocess --prompt x -o in");
  EXPECT_EQ(inputs.err, "in: 4 tensors of a prompt of 7 tokens\n");
}

class Dump : public Inputs {
 protected:
  SafetensorsFile dumped(const std::string& name) const {
    EXPECT_EQ(glmv("cases --dump " + name + " -o case").code, 0);
    return SafetensorsFile::open(path("case").string());
  }
  static std::string argument(const SafetensorsFile& file, const std::string& name) {
    const auto found = file.metadata().find("argument/" + name);
    return found == file.metadata().end() ? "(none)" : found->second;
  }
};

TEST_F(Dump, HoldsEveryArgumentThatIsNoTensor) {
  const auto expect = [&](const std::string& name, const std::map<std::string, std::string>& arguments) {
    const SafetensorsFile file = dumped(name);
    for (const auto& [key, value] : arguments) EXPECT_EQ(argument(file, key), value) << name << ' ' << key;
  };
  expect("moe_route/groups_f32_T9_H24_E12_K3",
         {{"scaling", "1.7"}, {"norm_topk", "true"}, {"n_group", "2"}, {"topk_group", "1"}, {"top_k", "3"}});
  expect("moe_route/unnormalised_f32_T6_H24_E12_K3", {{"scaling", "2.5"}, {"norm_topk", "false"}});
  expect("attention/vision_bf16_once_T24_S24_B1_heads3_3_D128_page1",
         {{"scale", "0.088388346"}, {"mask", "full"}, {"rounding", "once"}});
  expect("rmsnorm/in_place/bf16_hf_T5_H24", {{"eps", "1e-05"}, {"rounding", "hf"}});
  expect("layernorm/f32_T1_H8", {{"eps", "1e-05"}});
  expect("fused_add_rmsnorm/bf16_hf_T1_H8", {{"eps", "1e-05"}, {"rounding", "hf"}});
  expect("mrope/even_odd_f32_T1_heads1_D8_J2", {{"pairing", "even_odd"}});
  expect("silu_mul/f32_T7_F33", {{"gate", "gate_up[:, 0:33]"}, {"up", "gate_up[:, 33:66]"}});
  expect("linear/strided_f32_bias_T5_N12_K20", {{"x", "wide[:, 20:40]"}});
  expect("pos_embed/f32_P1_side3_D8", {{"side", "3"}});
  expect("pos_embed_taps/h4_w6_side5", {{"side", "5"}});
  EXPECT_EQ(dumped("rmsnorm/in_place/bf16_hf_T5_H24").metadata().at("dtype"), "bf16");
}

/// Somebody's own router, run from the dump alone: no scalar is known from anywhere else.
NamedTensors routed(const SafetensorsFile& file, const std::function<std::string(const char*)>& argument,
                    std::vector<Tensor>& memory) {
  MoeRouteArgs a;
  a.x = file.get("input/x");
  a.gate.data = file.get("input/gate");
  a.correction_bias = file.get("input/correction_bias");
  a.n_group = std::stoll(argument("n_group")), a.topk_group = std::stoll(argument("topk_group"));
  a.norm_topk = argument("norm_topk") == "true", a.scaling = std::stof(argument("scaling"));
  const int64_t tokens = a.x.dim[0], k = std::stoll(argument("top_k"));
  memory = {Tensor(DType::f32, {tokens, a.gate.data.dim[0]}), Tensor(DType::i32, {tokens, k}),
            Tensor(DType::f32, {tokens, k})};
  a.logits = memory[0].view, a.ids = memory[1].view, a.weights = memory[2].view;
  ref::moe_route(a, {});
  return {{"logits", memory[0].view}, {"output/ids", memory[1].view}, {"weights", memory[2].view}};
}

TEST_F(Dump, IsEnoughToRunAndJudgeAKernel) {
  const std::string name = "moe_route/groups_f32_T9_H24_E12_K3";
  const SafetensorsFile file = dumped(name);
  std::vector<Tensor> memory;
  const NamedTensors mine = routed(
      file, [&](const char* key) { return argument(file, key); }, memory);
  write_safetensors(path("mine").string(), mine, {});
  const Result good = glmv("cases " + name + " --check mine");
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  EXPECT_NE(good.out.find("passed"), std::string::npos);
  for (const char* part : {"logits", "ids", "weights", "worst [", "gold ", "got ", "allowed "})
    EXPECT_NE(good.out.find(part), std::string::npos) << part << " is not in: " << good.out;

  memory[2].data<float>()[3 * 2 + 1] *= 1.01f;
  write_safetensors(path("mine").string(), mine, file.metadata());  // which names case and seed
  const Result bad = glmv("cases --check mine");
  EXPECT_EQ(bad.code, 1);
  EXPECT_NE(bad.out.find("weights      BEYOND  1 of 27 beyond noise, worst [2,1]: gold"), std::string::npos) << bad.out;
  const Json j = Json::parse(glmv("cases --check mine --json").out);
  EXPECT_EQ(j["cases"][0]["outputs"][2]["worst_index"], 7);
  EXPECT_EQ(j["cases"][0]["status"], "FAILED");
  memory[2].data<float>()[3 * 2 + 1] = std::nanf("");
  write_safetensors(path("mine").string(), mine, {});
  EXPECT_EQ(glmv("cases " + name + " --check mine").code, 1);
}

TEST_F(Dump, OutputsThatDoNotFitAreRefused) {
  const std::string check = "cases rmsnorm/f32_T7_H33 --check mine";
  const auto mine = [&](const NamedTensors& tensors, const std::map<std::string, std::string>& metadata = {}) {
    write_safetensors(path("mine").string(), tensors, metadata);
  };
  const Tensor right(DType::f32, {7, 33}), small(DType::f32, {7, 32}), whole(DType::i32, {7, 33});
  mine({{"out", right.view}});
  EXPECT_EQ(glmv(check).code, 1);
  EXPECT_EQ(glmv("cases --check mine").code, 2) << "no case is named";
  mine({{"result", right.view}});
  expect_error(check, 3, {"mine: ", "result", "out"});
  mine({});
  expect_error(check, 3, {"mine: ", "output out", "missing"});
  mine({{"out", right.view}, {"output/out", right.view}});
  expect_error(check, 3, {"mine: ", "output out is there twice"});
  mine({{"out", small.view}});
  expect_error(check, 3, {"mine: ", "output out", "[7,32]", "[7,33]"});
  mine({{"out", whole.view}});
  expect_error(check, 3, {"mine: ", "output out", "float"});
  mine({{"out", right.view}}, {{"case", "add/f32_T1_H8"}});
  expect_error(check, 2, {"mine", "add/f32_T1_H8"});
  mine({{"out", right.view}}, {{"seed", "5"}});
  expect_error(check + " --seed 6", 2, {"mine", "seed 5", "6"});
  mine({{"out", right.view}}, {{"seed", "five"}});
  expect_error(check, 3, {"mine", "five"});
  expect_error("cases no_such_case --check mine", 2, {"no_such_case"});
}

// ----------------------------------------------------------------------------------------------------------- info

TEST_F(Inputs, InfoNamesTheOpsAndWhoHasThem) {
  const std::string text = glmv("info").out;
  const Json j = Json::parse(glmv("info --json").out);
  EXPECT_EQ(j["op_backends"].size(), 20u);
  for (const auto& [op, backends] : j["op_backends"].items()) {
    EXPECT_EQ(backends[0], "cpu") << op;
    EXPECT_NE(text.find("\n  " + op + ' '), std::string::npos) << op << " is not in: " << text;
  }
}

}  // namespace
}  // namespace glmv
