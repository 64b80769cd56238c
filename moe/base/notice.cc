#include "moe/base/notice.h"

#include <cstdio>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/escape_control.h"

namespace moe {

void SayNotice(absl::string_view text) {
  static std::mutex* const mutex = new std::mutex;
  static auto* const said = new absl::flat_hash_set<std::string>;
  const std::lock_guard<std::mutex> lock(*mutex);
  if (!said->emplace(text).second) return;
  const std::string line = absl::StrCat("notice: ", EscapeControl(text), "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

}  // namespace moe
