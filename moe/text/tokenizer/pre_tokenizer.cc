#include "moe/text/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"
#include "moe/text/tokenizer/byte_alphabet.h"
#include "moe/text/tokenizer/regex.h"
#include "moe/text/tokenizer/unicode.h"
#include "moe/text/tokenizer/utf8.h"

namespace moe {
namespace {

// A stretch of text, and whether it is a match; together they cover a text.
struct Part {
  size_t begin;
  size_t end;
  bool is_match;
};

absl::StatusOr<std::vector<Part>> PartsOf(const Pattern& pattern,
                                          absl::string_view text,
                                          RegexScratch& scratch) {
  std::vector<Part> parts;
  size_t done = 0;
  MOE_RETURN_IF_ERROR(
      pattern.ForEachMatch(text, scratch, [&](size_t begin, size_t end) {
        if (done != begin) parts.push_back({done, begin, false});
        parts.push_back({begin, end, true});
        done = end;
        return absl::OkStatus();
      }));
  if (done != text.size()) parts.push_back({done, text.size(), false});
  return parts;
}

// As PartsOf, for matches of one character each.
std::vector<Part> PartsWhere(bool (*is_match)(char32_t),
                             absl::string_view text) {
  std::vector<Part> parts;
  size_t done = 0;
  size_t i = 0;
  while (i < text.size()) {
    const CodePoint c = FirstCodePoint(text.substr(i));
    if (is_match(c.value)) {
      if (done != i) parts.push_back({done, i, false});
      parts.push_back({i, i + c.num_bytes, true});
      done = i + c.num_bytes;
    }
    i += c.num_bytes;
  }
  if (done != text.size()) parts.push_back({done, text.size(), false});
  return parts;
}

// Parts that follow one another become one where `joins(part, after_match)`:
// after_match says whether the part before it was a match (false at first).
template <typename Joins>
std::vector<Part> Join(const std::vector<Part>& parts, Joins joins) {
  std::vector<Part> joined;
  bool after_match = false;
  for (const Part& part : parts) {
    if (!joined.empty() && joins(part, after_match)) {
      joined.back().begin = std::min(joined.back().begin, part.begin);
      joined.back().end = std::max(joined.back().end, part.end);
    } else {
      joined.push_back(part);
    }
    after_match = part.is_match;
  }
  return joined;
}

// The words that the parts make under the behavior.
std::vector<Part> ApplyBehavior(std::vector<Part> parts,
                                SplitBehavior behavior) {
  const auto first_match = [](const Part& part, bool after_match) {
    return part.is_match && !after_match;
  };
  switch (behavior) {
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kRemoved:
      parts.erase(
          std::remove_if(parts.begin(), parts.end(),
                         [](const Part& part) { return part.is_match; }),
          parts.end());
      break;
    case SplitBehavior::kContiguous:
      return Join(parts, [](const Part& part, bool after_match) {
        return part.is_match == after_match;
      });
    case SplitBehavior::kMergedWithPrevious:
      return Join(parts, first_match);
    case SplitBehavior::kMergedWithNext:
      std::reverse(parts.begin(), parts.end());
      parts = Join(parts, first_match);
      std::reverse(parts.begin(), parts.end());
      break;
  }
  return parts;
}

}  // namespace

const char kGpt2Regex[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// One text's way through the steps, depth first: a word goes through the later
// steps before the next one is looked for, so no list of words is held.
struct PreTokenizer::Run {
  const std::vector<PreTokenizerStep>& steps;
  RegexScratch& scratch;
  absl::FunctionRef<void(absl::string_view)> use;

  absl::Status From(size_t step, absl::string_view text, bool is_first) {
    if (text.empty()) return absl::OkStatus();
    if (step == steps.size()) {
      use(text);
      return absl::OkStatus();
    }
    return std::visit(
        [&](const auto& s) { return Step(s, step + 1, text, is_first); },
        steps[step]);
  }

  absl::Status Words(const std::vector<Part>& words, size_t next,
                     absl::string_view text, bool is_first) {
    for (const Part& word : words) {
      MOE_RETURN_IF_ERROR(From(next,
                               text.substr(word.begin, word.end - word.begin),
                               is_first && word.begin == 0));
    }
    return absl::OkStatus();
  }

  absl::Status Step(const SplitStep& split, size_t next, absl::string_view text,
                    bool is_first) {
    if (split.behavior == SplitBehavior::kIsolated) {
      return Isolate(split.pattern, next, text, is_first);
    }
    MOE_ASSIGN_OR_RETURN(std::vector<Part> parts,
                         PartsOf(split.pattern, text, scratch));
    if (split.invert) {
      for (Part& part : parts) part.is_match = !part.is_match;
    }
    return Words(ApplyBehavior(std::move(parts), split.behavior), next, text,
                 is_first);
  }

  // What matches and what does not are words alike.
  absl::Status Isolate(const Pattern& pattern, size_t next,
                       absl::string_view text, bool is_first) {
    size_t done = 0;
    const auto use_match = [&](size_t begin, size_t end) {
      const absl::Status before =
          From(next, text.substr(done, begin - done), is_first && done == 0);
      if (!before.ok()) return before;
      done = end;
      return From(next, text.substr(begin, end - begin),
                  is_first && begin == 0);
    };
    MOE_RETURN_IF_ERROR(pattern.ForEachMatch(text, scratch, use_match));
    return From(next, text.substr(done), is_first && done == 0);
  }

  absl::Status Step(const DigitsStep& digits, size_t next,
                    absl::string_view text, bool is_first) {
    return Words(ApplyBehavior(PartsWhere(IsNumeric, text),
                               digits.individual ? SplitBehavior::kIsolated
                                                 : SplitBehavior::kContiguous),
                 next, text, is_first);
  }

  absl::Status Step(const WhitespaceSplitStep&, size_t next,
                    absl::string_view text, bool is_first) {
    return Words(
        ApplyBehavior(PartsWhere(IsWhitespace, text), SplitBehavior::kRemoved),
        next, text, is_first);
  }

  absl::Status Step(const PrefixSpaceStep&, size_t next, absl::string_view text,
                    bool is_first) {
    if (text[0] == ' ') return From(next, text, is_first);
    const std::string prefixed = absl::StrCat(" ", text);
    return From(next, prefixed, is_first);
  }

  absl::Status Step(const ByteAlphabetStep&, size_t next,
                    absl::string_view text, bool is_first) {
    const std::string mapped = ToByteAlphabet(text);
    return From(next, mapped, is_first);
  }

  absl::Status Step(const MetaspaceStep& metaspace, size_t next,
                    absl::string_view text, bool is_first) {
    const std::string& mark = metaspace.replacement;
    std::string marked = absl::StrReplaceAll(text, {{" ", mark}});
    const bool prepends =
        metaspace.prepend_scheme == PrependScheme::kAlways ||
        (metaspace.prepend_scheme == PrependScheme::kFirst && is_first);
    if (prepends && marked.compare(0, mark.size(), mark) != 0) {
      marked.insert(0, mark);
    }
    if (!metaspace.split) return From(next, marked, is_first);
    size_t begin = 0;
    while (begin < marked.size()) {
      // A mark and what follows it up to the next one.
      size_t end = marked.find(mark, begin + 1);
      if (end == std::string::npos) end = marked.size();
      MOE_RETURN_IF_ERROR(
          From(next, absl::string_view(marked).substr(begin, end - begin),
               is_first && begin == 0));
      begin = end;
    }
    return absl::OkStatus();
  }
};

bool PreTokenizer::DependsOnPosition() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const auto& step) {
    const auto* const metaspace = std::get_if<MetaspaceStep>(&step);
    return metaspace != nullptr &&
           metaspace->prepend_scheme == PrependScheme::kFirst;
  });
}

bool PreTokenizer::LosesPosition() const {
  bool changed = false;
  for (const PreTokenizerStep& step : steps_) {
    const auto* const metaspace = std::get_if<MetaspaceStep>(&step);
    if (changed && metaspace != nullptr &&
        metaspace->prepend_scheme == PrependScheme::kFirst) {
      return true;
    }
    changed = changed || metaspace != nullptr ||
              std::holds_alternative<PrefixSpaceStep>(step) ||
              std::holds_alternative<ByteAlphabetStep>(step);
  }
  return false;
}

absl::Status PreTokenizer::ForEachWord(
    absl::string_view text, bool is_first, RegexScratch& scratch,
    absl::FunctionRef<void(absl::string_view)> use) const {
  return Run{steps_, scratch, use}.From(0, text, is_first);
}

}  // namespace moe
