#include "eval/render.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "data/checkpoint.h"
#include "data/file.h"
#include "data/json_file.h"
#include "eval/bytes.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Runs after loading: writes the blocks, as base64 of JSON, into the document's title, which --dump-dom prints.
constexpr const char* kCollect = R"(<script>addEventListener("load",()=>{
const width=document.documentElement.scrollWidth,height=document.documentElement.scrollHeight,blocks=[];
const walker=document.createTreeWalker(document.body,NodeFilter.SHOW_TEXT);
for(let node;node=walker.nextNode();){
 const text=node.textContent.replace(/\s+/g," ").trim(),holder=node.parentElement;
 if(!text||["SCRIPT","STYLE","NOSCRIPT"].includes(holder.tagName))continue;
 const range=document.createRange();range.selectNodeContents(node);
 const box=range.getBoundingClientRect(),style=getComputedStyle(holder);
 if(box.width<=0||box.height<=0||style.visibility=="hidden"||style.opacity=="0")continue;
 const color=(style.color.match(/[\d.]+/g)||[0,0,0]).slice(0,3).map(v=>Math.round(Number(v)));
 blocks.push({text:text,bbox:[(box.x+scrollX)/width,(box.y+scrollY)/height,box.width/width,box.height/height],color:color});}
const bytes=new TextEncoder().encode(JSON.stringify(blocks));let binary="";
for(const b of bytes)binary+=String.fromCharCode(b);
document.title="glmv-blocks:"+btoa(binary)+":";});</script>)";

/// A folder that is gone with the object.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "glmv-page-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) input_error(name, ": no folder for a page can be made");
    path_ = name;
  }
  ~Scratch() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

void write_text(const std::string& path, const std::string& text) {
  OutputFile file(path, Devices::refused);
  file.write(text.data(), text.size());
  file.commit();
}

/// Runs the browser without network, its output in a file; its exit code.
int run_browser(const Scratch& scratch, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(),
                   {find_browser(), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", "--force-device-scale-factor=1",
                    "--user-data-dir=" + scratch.path("profile"), "--virtual-time-budget=3000"});
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, scratch.path("out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return 127;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

std::string find_browser() {
  if (const char* named = std::getenv("GLMV_BROWSER")) return named;
  const char* path = std::getenv("PATH");
  const std::string folders = path == nullptr ? "" : path;
  for (size_t from = 0; from <= folders.size();) {
    const size_t end = std::min(folders.find(':', from), folders.size());
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      std::string file = folders.substr(from, end - from) + '/' + name;
      if (::access(file.c_str(), X_OK) == 0) return file;
    }
    from = end + 1;
  }
  return "";
}

bool screenshot(const std::string& html, const std::string& png) {
  if (find_browser().empty()) return false;
  const Scratch scratch;
  write_text(scratch.path("page.html"), html);
  const std::string picture = scratch.path("page.png");
  const int code = run_browser(
      scratch, {"--window-size=1920,1080", "--screenshot=" + picture, "file://" + scratch.path("page.html")});
  if (code != 0 || !fs::exists(picture))
    input_error(find_browser(), ": no picture of the page was made (exit code ", code, ')');
  write_text(png, read_file(picture));
  return true;
}

std::optional<Json> page_blocks(const std::string& html) {
  if (find_browser().empty()) return std::nullopt;
  const Scratch scratch;
  write_text(scratch.path("page.html"), html + kCollect);
  const int code =
      run_browser(scratch, {"--window-size=1920,1080", "--dump-dom", "file://" + scratch.path("page.html")});
  const std::string dom = read_file(scratch.path("out"));
  constexpr std::string_view kMark = "glmv-blocks:";
  const size_t begin = dom.find(kMark);
  const size_t end = begin == std::string::npos ? begin : dom.find(':', begin + kMark.size());
  if (code != 0 || end == std::string::npos)
    input_error(find_browser(), ": the page's layout was not told (exit code ", code, ')');
  return parse_json(
      base64_decode(std::string_view(dom).substr(begin + kMark.size(), end - begin - kMark.size()), "blocks of a page"),
      "blocks of a page");
}

std::string judge_picture(const std::string& run, const std::string& task, const std::string& sample, bool reference) {
  return concat(run, "/renders/", task, '-', sha256_hex(sample.data(), sample.size()).substr(0, 16),
                reference ? "-reference" : "-answer", ".png");
}

std::vector<std::string> pictures_for_judge(const std::string& run, const std::string& task,
                                            const std::string& sample) {
  std::vector<std::string> out;
  for (const bool reference : {true, false}) {
    const std::string path = judge_picture(run, task, sample, reference);
    if (!fs::exists(path)) return {};
    out.push_back(read_file(path));
  }
  return out;
}

}  // namespace glmv::eval
