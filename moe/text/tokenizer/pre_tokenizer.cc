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
#include "moe/text/tokenizer/pattern.h"
#include "moe/text/tokenizer/unicode.h"

namespace moe::text {
namespace {

// A part of a text, which is a match or lies between matches.
struct Part {
  size_t begin;
  size_t end;
  bool is_match;
};

// The parts that cover a text, given its matches in order.
class Parts {
 public:
  void AddMatch(size_t begin, size_t end) {
    AddRest(begin);
    parts_.push_back({begin, end, true});
    done_ = end;
  }
  std::vector<Part> Take(absl::string_view text) && {
    AddRest(text.size());
    return std::move(parts_);
  }

 private:
  void AddRest(size_t end) {
    if (done_ != end) parts_.push_back({done_, end, false});
  }

  size_t done_ = 0;
  std::vector<Part> parts_;
};

absl::StatusOr<std::vector<Part>> PartsOf(const Pattern& pattern,
                                          absl::string_view text,
                                          RegexScratch& scratch) {
  Parts parts;
  MOE_RETURN_IF_ERROR(
      pattern.ForEachMatch(text, scratch, [&](size_t begin, size_t end) {
        parts.AddMatch(begin, end);
        return absl::OkStatus();
      }));
  return std::move(parts).Take(text);
}

// Each character that `is_match` accepts is a match.
std::vector<Part> PartsWhere(bool (*is_match)(char32_t),
                             absl::string_view text) {
  Parts parts;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = FirstCodePoint(text.substr(i));
    if (is_match(c.value)) parts.AddMatch(i, i + c.num_bytes);
    i += c.num_bytes;
  }
  return std::move(parts).Take(text);
}

// Joins a part with the one before if `joins(part, after_match)`.
// `after_match`: the part before is a match (false for the first part).
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

// Whether the step is a Metaspace of the scheme "first".
bool PrependsToFirst(const PreTokenizerStep& step) {
  const auto* const metaspace = std::get_if<MetaspaceStep>(&step);
  return metaspace != nullptr &&
         metaspace->prepend_scheme == PrependScheme::kFirst;
}

}  // namespace

const char kGpt2Regex[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Runs the steps on a text, depth first: a word goes through the later steps
// before the search for the next one, so there is no list of words.
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

  // The matches and the texts between them are all words.
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
    return From(next, absl::StrCat(" ", text), is_first);
  }

  absl::Status Step(const ByteAlphabetStep&, size_t next,
                    absl::string_view text, bool is_first) {
    return From(next, ToByteAlphabet(text), is_first);
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
      // A word is a mark with the text up to the next mark.
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
  return std::any_of(steps_.begin(), steps_.end(), PrependsToFirst);
}

bool PreTokenizer::LosesPosition() const {
  bool changed = false;
  for (const PreTokenizerStep& step : steps_) {
    if (changed && PrependsToFirst(step)) return true;
    changed = changed || std::holds_alternative<MetaspaceStep>(step) ||
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

}  // namespace moe::text
