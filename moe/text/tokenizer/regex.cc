#include "moe/text/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/regex_translation.h"
#include "moe/text/tokenizer/utf8.h"

namespace moe {
namespace {

// As Oniguruma's own limit on retries in a match.
constexpr uint32_t kMatchLimit = 10'000'000;
constexpr size_t kFirstJitStackBytes = 32 << 10;
constexpr size_t kMaxJitStackBytes = 32 << 20;

std::string Message(int error) {
  PCRE2_UCHAR buffer[256];
  if (pcre2_get_error_message(error, buffer, sizeof(buffer)) < 0) {
    return absl::StrCat("PCRE2 error ", error);
  }
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct RegexScratch::Parts {
  Parts()
      : data(pcre2_match_data_create(1, nullptr)),
        context(pcre2_match_context_create(nullptr)),
        stack(pcre2_jit_stack_create(kFirstJitStackBytes, kMaxJitStackBytes,
                                     nullptr)) {
    if (data == nullptr || context == nullptr) throw std::bad_alloc();
    pcre2_set_match_limit(context, kMatchLimit);
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~Parts() {
    if (stack != nullptr) pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  pcre2_match_data* data;
  pcre2_match_context* context;
  pcre2_jit_stack* stack;  // Null where there is no just-in-time compiler.
};

struct Regex::Code {
  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(code); }

  pcre2_code* code = nullptr;
  bool is_jit = false;
};

RegexScratch::RegexScratch() : parts_(std::make_unique<Parts>()) {}
RegexScratch::~RegexScratch() = default;

absl::StatusOr<Regex> Regex::Create(absl::string_view pattern) {
  MOE_ASSIGN_OR_RETURN(const std::string translated, TranslateRegex(pattern));
  return CreateFromPcre2(translated);
}

absl::StatusOr<Regex> Regex::CreateFromPcre2(absl::string_view pattern) {
  const std::unique_ptr<pcre2_compile_context,
                        decltype(&pcre2_compile_context_free)>
      context(pcre2_compile_context_create(nullptr),
              &pcre2_compile_context_free);
  if (context == nullptr) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  auto code = std::make_shared<Code>();
  int error = 0;
  size_t offset = 0;
  code->code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
      &offset, context.get());
  if (code->code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the regular expression \"", pattern,
                     "\" (as PCRE2 writes it) is malformed at byte ", offset,
                     ": ", Message(error)));
  }
  code->is_jit = pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE) == 0;
  return Regex(std::move(code));
}

RegexMatches::RegexMatches(const Regex& regex, absl::string_view text,
                           RegexScratch& scratch)
    : code_(*regex.code_), text_(text), scratch_(*scratch.parts_) {}

bool RegexMatches::Next() {
  // pcre2_match is given no null pointer, as an empty view may have.
  const auto* const subject =
      reinterpret_cast<PCRE2_SPTR>(text_.data() == nullptr ? "" : text_.data());
  while (position_ <= text_.size()) {
    const int result =
        code_.is_jit
            ? pcre2_jit_match(code_.code, subject, text_.size(), position_, 0,
                              scratch_.data, scratch_.context)
            : pcre2_match(code_.code, subject, text_.size(), position_,
                          PCRE2_NO_UTF_CHECK, scratch_.data, scratch_.context);
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0) {
      status_ = absl::ResourceExhaustedError(
          absl::StrCat("matching the pre-tokenizer's or normalizer's regular "
                       "expression at byte ",
                       position_, " of ", text_.size(), ": ", Message(result)));
      break;
    }
    const size_t* const offsets = pcre2_get_ovector_pointer(scratch_.data);
    const bool repeats_empty =
        offsets[0] == offsets[1] && has_match_ && end_ == offsets[1];
    if (!repeats_empty) {
      begin_ = offsets[0];
      end_ = position_ = offsets[1];
      has_match_ = true;
      return true;
    }
    if (position_ >= text_.size()) break;
    position_ += FirstCodePoint(text_.substr(position_)).num_bytes;
  }
  position_ = text_.size() + 1;
  return false;
}

}  // namespace moe
