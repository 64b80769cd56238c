// Encodes texts and decodes ids, for scripts that compare with other
// tokenizers.
//
//   tokenize DIR
//
// reads requests from standard input and answers each on standard output, all
// integers little-endian:
//   'e' flag:u8 size:u32 bytes         encode; flag: with special tokens
//   'd' flag:u8 count:u32 ids:i32[]    decode; flag: without special tokens
//   't' rounds:u32 size:u32 bytes      encode the text that often
//   'l' size:u32 bytes                 load the tokenizer of another directory
//                                      and encode "ab <s> ab" with it
// Answers: 0:u8 count:u32 ids:i32[], 0:u8 size:u32 bytes, 0:u8 rounds:u32
// seconds:f64[]; or 1:u8 size:u32 and the error.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "moe/text/tokenizer/tokenizer.h"

namespace {

bool ReadBytes(void* data, size_t size) {
  return std::fread(data, 1, size, stdin) == size;
}

void WriteBytes(const void* data, size_t size) {
  std::fwrite(data, 1, size, stdout);
}

// An answer's head: whether it is an error, and how much follows.
void WriteHead(uint8_t is_error, size_t count) {
  WriteBytes(&is_error, 1);
  const auto size = static_cast<uint32_t>(count);
  WriteBytes(&size, sizeof(size));
}

void WriteError(const absl::Status& status) {
  const std::string text = status.ToString();
  WriteHead(1, text.size());
  WriteBytes(text.data(), text.size());
}

bool AnswerEncode(const moe::text::Tokenizer& tokenizer) {
  uint8_t flag = 0;
  uint32_t size = 0;
  if (!ReadBytes(&flag, 1) || !ReadBytes(&size, sizeof(size))) return false;
  std::string text(size, '\0');
  if (!ReadBytes(text.data(), size)) return false;
  const absl::StatusOr<std::vector<int32_t>> ids =
      tokenizer.Encode(text, flag != 0);
  if (!ids.ok()) {
    WriteError(ids.status());
    return true;
  }
  WriteHead(0, ids->size());
  WriteBytes(ids->data(), ids->size() * sizeof(int32_t));
  return true;
}

bool AnswerDecode(const moe::text::Tokenizer& tokenizer) {
  uint8_t flag = 0;
  uint32_t count = 0;
  if (!ReadBytes(&flag, 1) || !ReadBytes(&count, sizeof(count))) return false;
  std::vector<int32_t> ids(count);
  if (!ReadBytes(ids.data(), count * sizeof(int32_t))) return false;
  const absl::StatusOr<std::string> text = tokenizer.Decode(ids, flag != 0);
  if (!text.ok()) {
    WriteError(text.status());
    return true;
  }
  WriteHead(0, text->size());
  WriteBytes(text->data(), text->size());
  return true;
}

bool AnswerTime(const moe::text::Tokenizer& tokenizer) {
  uint32_t rounds = 0;
  uint32_t size = 0;
  if (!ReadBytes(&rounds, sizeof(rounds))) return false;
  if (!ReadBytes(&size, sizeof(size))) return false;
  std::string text(size, '\0');
  if (!ReadBytes(text.data(), size)) return false;
  std::vector<double> seconds;
  for (uint32_t i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const absl::StatusOr<std::vector<int32_t>> ids =
        tokenizer.Encode(text, /*add_special_tokens=*/false);
    const std::chrono::duration<double> elapsed =
        std::chrono::steady_clock::now() - start;
    if (!ids.ok()) {
      WriteError(ids.status());
      return true;
    }
    seconds.push_back(elapsed.count());
  }
  WriteHead(0, seconds.size());
  WriteBytes(seconds.data(), seconds.size() * sizeof(double));
  return true;
}

absl::StatusOr<std::vector<int32_t>> LoadAndEncode(const std::string& path) {
  const absl::StatusOr<std::unique_ptr<moe::text::Tokenizer>> tokenizer =
      moe::text::LoadTokenizer(path);
  if (!tokenizer.ok()) return tokenizer.status();
  return (*tokenizer)->Encode("ab <s> ab", /*add_special_tokens=*/true);
}

bool AnswerLoad() {
  uint32_t size = 0;
  if (!ReadBytes(&size, sizeof(size))) return false;
  std::string path(size, '\0');
  if (!ReadBytes(path.data(), size)) return false;
  const absl::StatusOr<std::vector<int32_t>> ids = LoadAndEncode(path);
  if (!ids.ok()) {
    WriteError(ids.status());
    return true;
  }
  WriteHead(0, ids->size());
  WriteBytes(ids->data(), ids->size() * sizeof(int32_t));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: tokenize DIR\n");
    return 2;
  }
  const absl::StatusOr<std::unique_ptr<moe::text::Tokenizer>> tokenizer =
      moe::text::LoadTokenizer(argv[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "tokenize: %s\n",
                 tokenizer.status().ToString().c_str());
    return 1;
  }
  char kind = '\0';
  while (ReadBytes(&kind, 1)) {
    const bool answered = kind == 'e'   ? AnswerEncode(**tokenizer)
                          : kind == 'd' ? AnswerDecode(**tokenizer)
                          : kind == 't' ? AnswerTime(**tokenizer)
                          : kind == 'l' ? AnswerLoad()
                                        : false;
    if (!answered) {
      std::fprintf(stderr,
                   "tokenize: a request that is malformed or cut off\n");
      return 2;
    }
    std::fflush(stdout);
  }
  return 0;
}
