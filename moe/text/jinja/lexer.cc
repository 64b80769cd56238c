#include "moe/text/jinja/lexer.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/jinja/python_string.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text::jinja {
namespace {

bool IsNameStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool IsNamePart(char c) { return absl::ascii_isalnum(c) || c == '_'; }

class Lexer {
 public:
  explicit Lexer(std::string text) : text_(std::move(text)) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (position_ < text_.size()) {
      const size_t begin = FindTag();
      AddData(begin);
      if (begin == absl::string_view::npos) break;
      MOE_RETURN_IF_ERROR(LexTag(begin));
    }
    Add(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  absl::string_view Rest() const {
    return absl::string_view(text_).substr(position_);
  }
  bool At(absl::string_view what) const {
    return absl::StartsWith(Rest(), what);
  }

  void Add(Token::Kind kind, absl::string_view text) {
    tokens_.push_back({kind, std::string(text), line_});
  }

  void Advance(size_t size) {
    const absl::string_view passed = Rest().substr(0, size);
    line_ += static_cast<int>(std::count(passed.begin(), passed.end(), '\n'));
    position_ += passed.size();
    if (!passed.empty()) at_line_start_ = passed.back() == '\n';
  }

  size_t FindTag() const {
    for (size_t at = text_.find('{', position_); at != std::string::npos;
         at = text_.find('{', at + 1)) {
      if (at + 1 < text_.size() &&
          absl::StrContains("{%#", text_.substr(at + 1, 1))) {
        return at;
      }
    }
    return std::string::npos;
  }

  // Adds the text up to the tag at `begin`, without what the tag removes.
  void AddData(size_t begin) {
    const size_t end = std::min(begin, text_.size());
    absl::string_view data =
        absl::string_view(text_).substr(position_, end - position_);
    if (begin != std::string::npos) data = WithoutEnd(data, begin);
    if (!data.empty()) Add(Token::Kind::kData, data);
    Advance(end - position_);
  }

  absl::string_view WithoutEnd(absl::string_view data, size_t begin) const {
    const absl::string_view tag = absl::string_view(text_).substr(begin);
    const char sign = tag.size() > 2 ? tag[2] : ' ';
    if (sign == '-') return Strip(data, Ends::kRight);
    if (sign == '+' || tag[1] == '{') return data;
    const size_t line_begin = data.rfind('\n') + 1;  // 0 where there is none.
    const absl::string_view blanks = data.substr(line_begin);
    if (line_begin == 0 && !at_line_start_) return data;
    return Strip(blanks, Ends::kLeft).empty() ? data.substr(0, line_begin)
                                              : data;
  }

  absl::Status LexTag(size_t begin) {
    const int line = line_;
    if (text_[begin + 1] == '#') return SkipComment();
    const bool is_block = text_[begin + 1] == '%';
    Advance(2);
    if (At("-") || (is_block && At("+"))) Advance(1);
    if (is_block && SkipWord("raw")) return LexRaw(line);
    Add(is_block ? Token::Kind::kBlockBegin : Token::Kind::kVariableBegin, "");
    std::string brackets;
    while (true) {
      SkipSpace();
      if (brackets.empty() && SkipTagEnd(is_block)) return absl::OkStatus();
      if (position_ >= text_.size()) {
        return AtLine(line, absl::StrCat("the tag {", is_block ? "%" : "{",
                                         " has no end"));
      }
      MOE_RETURN_IF_ERROR(LexToken(brackets));
    }
  }

  void SkipSpace() {
    Advance(Rest().size() - Strip(Rest(), Ends::kLeft).size());
  }

  // Skips a tag's end, if one is here, and what it removes after it.
  bool SkipTagEnd(bool is_block) {
    const absl::string_view end = is_block ? "%}" : "}}";
    const char sign = position_ < text_.size() ? text_[position_] : ' ';
    const bool has_sign = sign == '-' || (is_block && sign == '+');
    if (!absl::StartsWith(Rest().substr(has_sign ? 1 : 0), end)) return false;
    Add(is_block ? Token::Kind::kBlockEnd : Token::Kind::kVariableEnd, "");
    size_t size = end.size() + (has_sign ? 1 : 0);
    if (sign == '-') {
      const absl::string_view behind = Rest().substr(size);
      size += behind.size() - Strip(behind, Ends::kLeft).size();
    } else if (is_block && sign != '+' && Rest().substr(size, 1) == "\n") {
      ++size;
    }
    Advance(size);
    return true;
  }

  absl::Status SkipComment() {
    const size_t end = text_.find("#}", position_ + 2);
    if (end == std::string::npos) {
      return AtLine(line_, "the comment {# has no end");
    }
    const char sign = end > position_ + 2 ? text_[end - 1] : ' ';
    Advance(end + 2 - position_);
    if (sign == '-') {
      SkipSpace();
    } else if (sign != '+' && At("\n")) {
      Advance(1);
    }
    return absl::OkStatus();
  }

  // Skips `word` and a tag's end, if they are here.
  bool SkipWord(absl::string_view word) {
    const size_t position = position_;
    const int line = line_;
    const bool at_line_start = at_line_start_;
    SkipSpace();
    if (At(word)) {
      Advance(word.size());
      SkipSpace();
      if (SkipTagEnd(true)) {
        tokens_.pop_back();
        return true;
      }
    }
    position_ = position;
    line_ = line;
    at_line_start_ = at_line_start;
    return false;
  }

  absl::Status LexRaw(int line) {
    for (size_t at = text_.find("{%", position_); at != std::string::npos;
         at = text_.find("{%", at + 2)) {
      const size_t sign = text_.find_first_of("-+", at + 2) == at + 2 ? 1 : 0;
      const absl::string_view name =
          Strip(absl::string_view(text_).substr(at + 2 + sign), Ends::kLeft);
      if (!absl::StartsWith(name, "endraw")) continue;
      AddData(at);
      Advance(2 + sign);
      if (SkipWord("endraw")) return absl::OkStatus();
      return AtLine(line_, "the tag endraw has no end");
    }
    return AtLine(line, "the tag raw has no endraw");
  }

  absl::Status LexToken(std::string& brackets) {
    const char c = text_[position_];
    if (IsNameStart(c)) {
      size_t size = 1;
      while (size < Rest().size() && IsNamePart(Rest()[size])) ++size;
      Add(Token::Kind::kName, Rest().substr(0, size));
      Advance(size);
      return absl::OkStatus();
    }
    if (absl::ascii_isdigit(c)) return LexNumber();
    if (c == '"' || c == '\'') return LexString(c);
    return LexOperator(brackets);
  }

  absl::Status LexNumber() {
    size_t size = DigitsAt(0);
    bool is_float = false;
    if (Rest().substr(size, 1) == "." && DigitsAt(size + 1) > 0) {
      size += 1 + DigitsAt(size + 1);
      is_float = true;
    }
    if (absl::EqualsIgnoreCase(Rest().substr(size, 1), "e")) {
      const absl::string_view sign = Rest().substr(size + 1, 1);
      const size_t skipped = 1 + (sign == "+" || sign == "-" ? 1 : 0);
      if (DigitsAt(size + skipped) > 0) {
        size += skipped + DigitsAt(size + skipped);
        is_float = true;
      }
    }
    if (size < Rest().size() && IsNamePart(Rest()[size])) {
      return AtLine(line_,
                    absl::StrCat("the number ", Rest().substr(0, size + 1),
                                 "... is of no supported form"));
    }
    Add(is_float ? Token::Kind::kFloat : Token::Kind::kInteger,
        absl::StrReplaceAll(Rest().substr(0, size), {{"_", ""}}));
    Advance(size);
    return absl::OkStatus();
  }

  size_t DigitsAt(size_t offset) const {
    const absl::string_view rest =
        Rest().substr(std::min(offset, Rest().size()));
    size_t size = 0;
    while (size < rest.size() && (absl::ascii_isdigit(rest[size]) ||
                                  (size > 0 && rest[size] == '_'))) {
      ++size;
    }
    return size;
  }

  absl::Status LexString(char quote) {
    size_t end = 1;
    while (end < Rest().size() && Rest()[end] != quote) {
      end += Rest()[end] == '\\' ? 2 : 1;
    }
    if (end >= Rest().size())
      return AtLine(line_, "a text in quotes has no end");
    absl::StatusOr<std::string> text = Unescape(Rest().substr(1, end - 1));
    if (!text.ok()) return AtLine(line_, text.status().message());
    Add(Token::Kind::kString, *text);
    Advance(end + 1);
    return absl::OkStatus();
  }

  absl::Status LexOperator(std::string& brackets) {
    static constexpr absl::string_view kOperators[] = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (const absl::string_view name : kOperators) {
      if (!At(name)) continue;
      const size_t opening = absl::string_view("([{").find(name);
      const size_t closing = absl::string_view(")]}").find(name);
      if (opening != absl::string_view::npos) {
        brackets.push_back(")]}"[opening]);
      } else if (closing != absl::string_view::npos) {
        if (brackets.empty() || brackets.back() != name[0]) {
          return AtLine(line_, absl::StrCat("there is a \"", name,
                                            "\" that closes nothing"));
        }
        brackets.pop_back();
      }
      Add(Token::Kind::kOperator, name);
      Advance(name.size());
      return absl::OkStatus();
    }
    const absl::string_view found =
        Rest().substr(0, FirstCodePoint(Rest()).num_bytes);
    return AtLine(line_, absl::StrCat("\"", found, "\" begins no token"));
  }

  std::string text_;
  size_t position_ = 0;
  int line_ = 1;
  // Whether the last text passed ended with a line break.
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

absl::Status AtLine(int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

absl::StatusOr<std::vector<Token>> Lex(absl::string_view text) {
  std::string normalized =
      absl::StrReplaceAll(text, {{"\r\n", "\n"}, {"\r", "\n"}});
  if (absl::EndsWith(normalized, "\n")) normalized.pop_back();
  return Lexer(std::move(normalized)).Run();
}

}  // namespace moe::text::jinja
