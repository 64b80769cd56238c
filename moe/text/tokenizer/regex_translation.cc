#include "moe/text/tokenizer/regex_translation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

// White_Space, inside a class. PCRE2's own \s also has U+180E.
constexpr char kSpace[] = R"(\x{9}-\x{d}\x{20}\x{85}\p{Z})";
// Oniguruma's word characters, inside a class. They include the superscripts
// and fractions of Latin-1, for which Oniguruma has its own table. PCRE2's own
// \w has fewer characters.
constexpr char kWord[] =
    R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

constexpr absl::string_view kCategories[] = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd",
    "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm",
    "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cn"};
constexpr absl::string_view kScripts[] = {
    "Arabic",   "Armenian", "Bengali",  "Cyrillic",  "Devanagari",
    "Georgian", "Greek",    "Gujarati", "Gurmukhi",  "Han",
    "Hangul",   "Hebrew",   "Hiragana", "Kannada",   "Katakana",
    "Khmer",    "Lao",      "Latin",    "Malayalam", "Myanmar",
    "Sinhala",  "Tamil",    "Telugu",   "Thai",      "Tibetan"};
// Pairs of letters that a single character folds to, such as U+FB06 to "st".
constexpr absl::string_view kFoldedPairs[] = {"ss", "ff", "fi", "fl", "st"};

constexpr size_t kMaxPatternBytes = 1 << 16;

template <typename Container>
bool Contains(const Container& container, absl::string_view item) {
  return std::find(std::begin(container), std::end(container), item) !=
         std::end(container);
}

class Translator {
 public:
  explicit Translator(absl::string_view pattern) : pattern_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (!AtEnd()) MOE_RETURN_IF_ERROR(TakeOne());
    if (caseless_.size() != 1) return Refuse(pattern_.size(), 0, "no )");
    return out_;
  }

 private:
  bool AtEnd() const { return i_ >= pattern_.size(); }
  char Peek(size_t ahead = 0) const {
    return i_ + ahead < pattern_.size() ? pattern_[i_ + ahead] : '\0';
  }
  bool StartsWith(absl::string_view text) const {
    return pattern_.substr(i_, text.size()) == text;
  }
  bool caseless() const { return caseless_.back(); }

  absl::Status Refuse(size_t offset, size_t size, absl::string_view why) const {
    return absl::UnimplementedError(absl::StrCat(
        "the regular expression \"", pattern_, "\" has at byte ", offset, " \"",
        pattern_.substr(std::min(offset, pattern_.size()), size),
        "\", which is not implemented: ", why));
  }

  absl::Status TakeOne() {
    switch (Peek()) {
      case '\\':
        previous_letter_ = '\0';
        return TakeEscape();
      case '[':
        previous_letter_ = '\0';
        return TakeClass();
      case '(':
        return TakeOpening();
      case ')':
        if (caseless_.size() == 1) return Refuse(i_, 1, "nothing to close");
        caseless_.pop_back();
        return Copy(1);
      case '{':
        return TakeInterval();
      case '*':
      case '+':
      case '?':
        return TakeQuantifier();
      case '|':
        previous_letter_ = '\0';
        return Copy(1);
      case '.':
      case '^':
      case '$':
        return Copy(1);
      default:
        return TakeCharacter();
    }
  }

  absl::Status Copy(size_t size) {
    absl::StrAppend(&out_, pattern_.substr(i_, size));
    i_ += size;
    return absl::OkStatus();
  }

  absl::Status TakeQuantifier() {
    MOE_RETURN_IF_ERROR(Copy(1));
    if (Peek() == '?' || Peek() == '+') return Copy(1);
    return absl::OkStatus();
  }

  absl::Status TakeOpening() {
    constexpr absl::string_view kSame[] = {"(?:",  "(?=",  "(?!",
                                           "(?<=", "(?<!", "(?>"};
    for (const absl::string_view opening : kSame) {
      if (!StartsWith(opening)) continue;
      caseless_.push_back(caseless());
      return Copy(opening.size());
    }
    if (StartsWith("(?i:")) {
      caseless_.push_back(true);
      return Copy(4);
    }
    if (StartsWith("(?") || StartsWith("(*")) {
      return Refuse(i_, 4, "this kind of group");
    }
    caseless_.push_back(caseless());
    out_ += "(?:";  // Nothing refers to groups.
    ++i_;
    return absl::OkStatus();
  }

  // {n}, {n,}, {n,m}; any other { is a character.
  absl::Status TakeInterval() {
    const size_t close = pattern_.find('}', i_);
    const absl::string_view inside =
        close == absl::string_view::npos
            ? absl::string_view()
            : pattern_.substr(i_ + 1, close - i_ - 1);
    const bool is_interval =
        !inside.empty() &&
        std::all_of(inside.begin(), inside.end(),
                    [](char c) { return absl::ascii_isdigit(c) || c == ','; });
    if (!is_interval) return TakeCharacter();
    const size_t comma = inside.find(',');
    const absl::string_view low = inside.substr(0, comma);
    const absl::string_view high =
        comma == absl::string_view::npos ? low : inside.substr(comma + 1);
    uint32_t n = 0;
    uint32_t m = 0;
    const bool ordered =
        absl::SimpleAtoi(low, &n) &&
        (high.empty() || (absl::SimpleAtoi(high, &m) && n <= m));
    const size_t size = inside.size() + 2;
    if (!ordered) return Refuse(i_, size, "this interval");
    const char next = Peek(size);
    if (next == '?' || next == '+' || next == '*' || next == '{') {
      return Refuse(i_, size + 1, "a quantifier of an interval");
    }
    return Copy(size);
  }

  // A character that stands for itself.
  absl::Status TakeCharacter() {
    const CodePoint c = FirstCodePoint(pattern_.substr(i_));
    MOE_RETURN_IF_ERROR(CheckFolding(c));
    AppendLiteral(c.value);
    i_ += c.num_bytes;
    return absl::OkStatus();
  }

  // Oniguruma folds to several characters, PCRE2 to one. The two agree on ASCII
  // without the pairs above.
  absl::Status CheckFolding(CodePoint c) {
    if (!caseless()) return absl::OkStatus();
    if (c.value >= 0x80) return Refuse(i_, c.num_bytes, "(?i: beyond ASCII");
    const char letter = absl::ascii_tolower(static_cast<char>(c.value));
    const char pair[] = {previous_letter_, letter};
    previous_letter_ = letter;
    if (Contains(kFoldedPairs, absl::string_view(pair, 2))) {
      return Refuse(i_, 1, "letters in (?i: that a ligature folds to");
    }
    return absl::OkStatus();
  }

  void AppendLiteral(char32_t c) {
    if (c < 0x80 && !absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      absl::StrAppend(&out_, absl::StrFormat("\\x{%x}", uint32_t{c}));
    } else {
      AppendUtf8(c, &out_);
    }
  }

  // Consumes an escape that names one character and returns its code point;
  // none, with nothing consumed, for other escapes.
  absl::StatusOr<std::optional<char32_t>> TakeCharacterEscape() {
    const char kind = Peek(1);
    constexpr absl::string_view kNames = "rntfvae";
    constexpr char kValues[] = "\r\n\t\f\v\a\x1b";
    const size_t name = kNames.find(kind);
    if (kind != '\0' && name != absl::string_view::npos) {
      i_ += 2;
      return static_cast<char32_t>(kValues[name]);
    }
    if (kind == 'x' && Peek(2) == '{') {
      const size_t close = pattern_.find('}', i_);
      if (close == absl::string_view::npos) return Refuse(i_, 3, "no }");
      return TakeHex(i_ + 3, close, close + 1);
    }
    if (kind == 'u') return TakeHex(i_ + 2, i_ + 6, i_ + 6);
    if (absl::ascii_ispunct(static_cast<unsigned char>(kind)) || kind == ' ') {
      i_ += 2;
      return static_cast<char32_t>(kind);
    }
    return std::nullopt;
  }

  absl::StatusOr<std::optional<char32_t>> TakeHex(size_t begin, size_t end,
                                                  size_t next) {
    uint32_t value = 0;
    if (next > pattern_.size() ||
        !absl::SimpleHexAtoi(pattern_.substr(begin, end - begin), &value) ||
        value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
      return Refuse(i_, next - i_, "not a character");
    }
    i_ = next;
    return static_cast<char32_t>(value);
  }

  absl::Status TakeEscape() {
    const size_t start = i_;
    MOE_ASSIGN_OR_RETURN(const std::optional<char32_t> character,
                         TakeCharacterEscape());
    if (character.has_value()) {
      if (caseless() && *character >= 0x80) {
        return Refuse(start, i_ - start, "(?i: beyond ASCII");
      }
      AppendLiteral(*character);
      return absl::OkStatus();
    }
    const char kind = Peek(1);
    if (kind == 'p' || kind == 'P') {
      if (caseless()) return Refuse(i_, 2, "a property in (?i:");
      MOE_ASSIGN_OR_RETURN(const std::string property, TakeProperty());
      out_ += property;
      return absl::OkStatus();
    }
    std::string translated = ClassEscape(kind);
    if (translated.empty()) translated = PositionEscape(kind);
    if (translated.empty()) return Refuse(start, 2, "this escape");
    out_ += translated;
    i_ += 2;
    return absl::OkStatus();
  }

  // The translation of an escape for a kind of characters, such as \s; empty
  // for other escapes.
  static std::string ClassEscape(char kind) {
    const bool is_negated = absl::ascii_isupper(kind);
    const absl::string_view open = is_negated ? "[^" : "[";
    switch (absl::ascii_tolower(kind)) {
      case 's':
        return absl::StrCat(open, kSpace, "]");
      case 'd':
        return is_negated ? R"(\P{Nd})" : R"(\p{Nd})";
      case 'w':
        return absl::StrCat(open, kWord, "]");
      default:
        return "";
    }
  }

  // The translation of an escape for a place between characters, such as \b;
  // empty for other escapes.
  static std::string PositionEscape(char kind) {
    const std::string word = absl::StrCat("[", kWord, "]");
    switch (kind) {
      case 'b':
        return absl::StrCat("(?:(?<=", word, ")(?!", word, ")|(?<!", word,
                            ")(?=", word, "))");
      case 'B':
        return absl::StrCat("(?:(?<=", word, ")(?=", word, ")|(?<!", word,
                            ")(?!", word, "))");
      case 'A':
      case 'z':
      case 'Z':
        return absl::StrCat("\\", absl::string_view(&kind, 1));
      default:
        return "";
    }
  }

  // \p{..} as PCRE2 writes it, inside or outside of a class.
  absl::StatusOr<std::string> TakeProperty() {
    const size_t start = i_;
    const size_t close = pattern_.find('}', i_);
    if (Peek(2) != '{' || close == absl::string_view::npos) {
      return Refuse(start, 3, "a property without {}");
    }
    absl::string_view name = pattern_.substr(i_ + 3, close - i_ - 3);
    bool negated = Peek(1) == 'P';
    if (!name.empty() && name[0] == '^') {
      negated = !negated;
      name.remove_prefix(1);
    }
    const bool is_script = Contains(kScripts, name);
    if (!is_script && !Contains(kCategories, name)) {
      return Refuse(start, close + 1 - start, "this property");
    }
    i_ = close + 1;
    return absl::StrCat(negated ? "\\P{" : "\\p{", is_script ? "sc:" : "", name,
                        "}");
  }

  absl::Status TakeClass() {
    const size_t start = i_;
    ++i_;
    out_ += '[';
    if (Peek() == '^') {
      if (caseless()) return Refuse(start, 2, "a negated class in (?i:");
      out_ += '^';
      ++i_;
    }
    if (Peek() == ']') return Refuse(start, 3, "an empty class");
    while (Peek() != ']' || AtEnd()) {
      if (AtEnd()) return Refuse(start, 1, "no ]");
      MOE_RETURN_IF_ERROR(TakeClassItem());
    }
    out_ += ']';
    ++i_;
    return absl::OkStatus();
  }

  absl::Status TakeClassItem() {
    if (Peek() == '[') return Refuse(i_, 2, "a class in a class");
    if (StartsWith("&&")) return Refuse(i_, 2, "an intersection of classes");
    MOE_ASSIGN_OR_RETURN(const bool is_set, TakeClassSet());
    if (is_set) {
      if (Peek() == '-' && Peek(1) != ']') {
        return Refuse(i_, 1, "a range from a set");
      }
      return absl::OkStatus();
    }
    MOE_ASSIGN_OR_RETURN(const char32_t low, TakeClassCharacter());
    AppendLiteral(low);
    if (Peek() != '-' || Peek(1) == ']') return absl::OkStatus();
    const size_t dash = i_++;
    if (Peek() == '[') return Refuse(dash, 2, "a class in a class");
    MOE_ASSIGN_OR_RETURN(const char32_t high, TakeClassCharacter());
    if (high < low) return Refuse(dash, 2, "a range that runs backwards");
    out_ += '-';
    AppendLiteral(high);
    return absl::OkStatus();
  }

  // Consumes a set of characters that an escape names, such as \s or \p{L}.
  absl::StatusOr<bool> TakeClassSet() {
    if (Peek() != '\\') return false;
    const char kind = Peek(1);
    constexpr absl::string_view kSets = "sdDwpP";
    if (kind == '\0' || kSets.find(kind) == absl::string_view::npos) {
      return false;
    }
    if (caseless()) return Refuse(i_, 2, "a set in a class in (?i:");
    if (kind == 'p' || kind == 'P') {
      MOE_ASSIGN_OR_RETURN(const std::string property, TakeProperty());
      out_ += property;
      return true;
    }
    i_ += 2;
    out_ += kind == 's'   ? kSpace
            : kind == 'w' ? kWord
            : kind == 'd' ? R"(\p{Nd})"
                          : R"(\P{Nd})";
    return true;
  }

  absl::StatusOr<char32_t> TakeClassCharacter() {
    const size_t start = i_;
    if (AtEnd()) return Refuse(start, 0, "no ]");
    char32_t value;
    if (Peek() == '\\') {
      MOE_ASSIGN_OR_RETURN(const std::optional<char32_t> character,
                           TakeCharacterEscape());
      if (!character.has_value()) {
        return Refuse(start, 2, "this escape in a class");
      }
      value = *character;
    } else {
      const CodePoint c = FirstCodePoint(pattern_.substr(i_));
      value = c.value;
      i_ += c.num_bytes;
    }
    if (caseless() && value >= 0x80) {
      return Refuse(start, i_ - start, "(?i: beyond ASCII");
    }
    return value;
  }

  const absl::string_view pattern_;
  size_t i_ = 0;
  std::string out_;
  std::vector<bool> caseless_ = {false};  // One for each open group.
  char previous_letter_ = '\0';           // In (?i:, lower case.
};

}  // namespace

absl::StatusOr<std::string> TranslateRegex(absl::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a regular expression: expected at most ",
                     kMaxPatternBytes, " bytes, found ", pattern.size()));
  }
  return Translator(pattern).Run();
}

std::string QuoteForRegex(absl::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 &&
        !absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted;
}

}  // namespace moe::text
