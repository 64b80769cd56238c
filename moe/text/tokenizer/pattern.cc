#include "moe/text/tokenizer/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/regex_translation.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
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

struct Pattern::Code {
  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(code); }

  pcre2_code* code = nullptr;
  bool is_jit = false;
};

RegexScratch::RegexScratch() : parts_(std::make_unique<Parts>()) {}
RegexScratch::~RegexScratch() = default;

absl::StatusOr<Pattern> Pattern::FromString(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(Pattern pattern, FromPcre2(QuoteForRegex(text)));
  pattern.literal_ = std::string(text);
  return pattern;
}

absl::StatusOr<Pattern> Pattern::FromRegex(absl::string_view regex) {
  MOE_ASSIGN_OR_RETURN(const std::string translated, TranslateRegex(regex));
  return FromPcre2(translated);
}

absl::StatusOr<Pattern> Pattern::FromPcre2(absl::string_view regex) {
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
      reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
      &offset, context.get());
  if (code->code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the regular expression \"", regex,
                     "\" (as PCRE2 writes it) is malformed at byte ", offset,
                     ": ", Message(error)));
  }
  code->is_jit = pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE) == 0;
  return Pattern(std::move(code));
}

int Pattern::MatchAt(absl::string_view text, size_t position,
                     RegexScratch& scratch) const {
  const auto* const subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  return code_->is_jit
             ? pcre2_jit_match(code_->code, subject, text.size(), position, 0,
                               scratch.parts_->data, scratch.parts_->context)
             : pcre2_match(code_->code, subject, text.size(), position,
                           PCRE2_NO_UTF_CHECK, scratch.parts_->data,
                           scratch.parts_->context);
}

absl::Status Pattern::ForEachMatch(
    absl::string_view text, RegexScratch& scratch,
    absl::FunctionRef<absl::Status(size_t, size_t)> use) const {
  if (text.empty()) return absl::OkStatus();
  if (!literal_.empty()) {
    size_t begin = text.find(literal_);
    while (begin != absl::string_view::npos) {
      const size_t end = begin + literal_.size();
      MOE_RETURN_IF_ERROR(use(begin, end));
      begin = text.find(literal_, end);
    }
    return absl::OkStatus();
  }
  size_t position = 0;
  size_t last_end = absl::string_view::npos;
  while (true) {
    const int result = MatchAt(text, position, scratch);
    if (result == PCRE2_ERROR_NOMATCH) return absl::OkStatus();
    if (result < 0) {
      return absl::ResourceExhaustedError(
          absl::StrCat("matching the pre-tokenizer's or normalizer's regular "
                       "expression at byte ",
                       position, " of ", text.size(), ": ", Message(result)));
    }
    const size_t* const offsets =
        pcre2_get_ovector_pointer(scratch.parts_->data);
    const size_t begin = offsets[0];
    const size_t end = offsets[1];
    if (begin != end || end != last_end) {
      position = last_end = end;
      MOE_RETURN_IF_ERROR(use(begin, end));
    } else {
      if (position >= text.size()) return absl::OkStatus();
      position += FirstCodePoint(text.substr(position)).num_bytes;
    }
  }
}

}  // namespace moe::text
