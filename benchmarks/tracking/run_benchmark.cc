#include "benchmarks/tracking/run_benchmark.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "benchmarks/tracking/benchmark_output.h"
#include "moe/base/file_system.h"
#include "moe/base/random_access_file.h"
#include "moe/base/status_macros.h"

namespace moe {
namespace {

constexpr int64_t kMaxOutputBytes = int64_t{64} << 20;

// Runs it with its standard output on ours for errors. The exit status, or 128
// and the signal's number.
absl::StatusOr<int> RunProgram(const std::vector<std::string>& words) {
  const pid_t child = ::fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "cannot start a process");
  if (child == 0) {
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (const std::string& word : words) {
      arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "waitpid");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A name of its own in TMPDIR, removed at the end.
class TemporaryFile {
 public:
  static absl::StatusOr<std::string> NewName() {
    const char* const directory = ::getenv("TMPDIR");
    std::string path = absl::StrCat(directory == nullptr ? "/tmp" : directory,
                                    "/benchmark_XXXXXX");
    const int fd = ::mkstemp(path.data());
    if (fd < 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path));
    }
    ::close(fd);
    return path;
  }

  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(path_.c_str()); }

  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace

std::string RowFilter(const std::vector<std::string>& rows) {
  return absl::StrCat(
      "^(",
      absl::StrJoin(rows, "|",
                    [](std::string* out, const std::string& row) {
                      for (const char c : row) {
                        if (absl::string_view(".[]{}()*+?^$|\\").find(c) !=
                            absl::string_view::npos) {
                          out->push_back('\\');
                        }
                        out->push_back(c);
                      }
                    }),
      ")$");
}

absl::StatusOr<BenchmarkOutput> RunBenchmark(
    absl::string_view program, const std::vector<std::string>& rows) {
  if (!PathExists(program)) {
    return absl::NotFoundError(absl::StrCat("there is no program ", program,
                                            "; build the target of that name"));
  }
  MOE_ASSIGN_OR_RETURN(std::string path, TemporaryFile::NewName());
  const TemporaryFile file(std::move(path));
  MOE_ASSIGN_OR_RETURN(
      const int status,
      RunProgram({std::string(program),
                  absl::StrCat("--benchmark_filter=", RowFilter(rows)),
                  absl::StrCat("--benchmark_out=", file.path()),
                  "--benchmark_out_format=json"}));
  if (status != 0) {
    return absl::InternalError(
        absl::StrCat(program, " ended with status ", status));
  }
  MOE_ASSIGN_OR_RETURN(const std::string json,
                       ReadFile(file.path(), kMaxOutputBytes));
  absl::StatusOr<BenchmarkOutput> output = ParseBenchmarkOutput(json);
  MOE_RETURN_IF_ERROR(Annotate(output.status(), program));
  return output;
}

}  // namespace moe
