#include "tools/cli/flag_set.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "moe/base/check.h"
#include "moe/base/options/option.pb.h"
#include "moe/base/options/options.h"
#include "moe/base/status_macros.h"

namespace moe::cli {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

absl::Status WrongValue(absl::string_view text, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(": expected ", expected, ", found \"", text, "\""));
}

bool IsFlagWord(absl::string_view word) {
  return absl::StartsWith(word, "--") || word == "-h";
}

absl::Status EmptyValue(absl::string_view name, bool is_switch) {
  return absl::InvalidArgumentError(
      is_switch
          ? absl::StrCat("--", name, "= has nothing after \"=\"; write --",
                         name, ", --", name, "=true or --", name, "=false")
          : absl::StrCat("--", name, "= has nothing after \"=\"; write --",
                         name, "=VALUE, or leave the flag out"));
}

absl::Status NoValue(absl::string_view name, absl::string_view next) {
  return absl::InvalidArgumentError(absl::StrCat(
      "--", name, ": expected a value, found the flag \"", next, "\"; write --",
      name, "=VALUE, or --", name, "=", next, " if that is the value"));
}

// `Target` is int64_t or an optional of it.
template <typename Target>
std::function<absl::Status(const std::string&)> IntSetter(IntRange range,
                                                          Target* value) {
  return [value, range](const std::string& text) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(text, &number) || number < range.min ||
        number > range.max) {
      const std::string allowed = FormatRange(range);
      return WrongValue(
          text,
          absl::StrCat("a whole number", allowed.empty() ? "" : ", ", allowed));
    }
    *value = number;
    return absl::OkStatus();
  };
}

// Such as "N"; empty for a switch.
std::string ValueName(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return "N";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "NUMBER";
    case FieldDescriptor::CPPTYPE_BOOL:
      return field.has_default_value() ? "" : "auto|true|false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrJoin(base::ChoicesOf(field), "|");
    default:
      return "TEXT";
  }
}

// The default as the flag's help shows it; empty if there is none.
std::string DefaultText(const Message& options, const FieldDescriptor& field) {
  const Option& option = base::OptionOf(field);
  if (!option.otherwise().empty()) return option.otherwise();
  const std::unique_ptr<Message> unset(options.New());
  if (field.has_default_value()) return base::OptionText(*unset, field);
  return field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL ? "auto" : "";
}

}  // namespace

std::string FormatRange(IntRange range) {
  const bool has_min = range.min != std::numeric_limits<int64_t>::min();
  const bool has_max = range.max != std::numeric_limits<int64_t>::max();
  if (has_min && has_max) return absl::StrCat(range.min, " to ", range.max);
  if (has_min) return absl::StrCat(range.min, " or more");
  if (has_max) return absl::StrCat(range.max, " or less");
  return "";
}

void FlagSet::AddString(const FlagSpec& spec, std::string* value) {
  Flag flag{spec, spec.positional.empty() ? "TEXT" : spec.positional, *value,
            "", nullptr};
  flag.set_value = [value](const std::string& text) {
    if (text.empty()) return WrongValue(text, "a value");
    *value = text;
    return absl::OkStatus();
  };
  Add(std::move(flag), false);
}

void FlagSet::AddStrings(const FlagSpec& spec,
                         std::vector<std::string>* values) {
  Flag flag{spec, "PATH...", "", "", nullptr};
  flag.is_list = true;
  flag.set_value = [values](const std::string& text) {
    if (text.empty()) return WrongValue(text, "a value");
    values->push_back(text);
    return absl::OkStatus();
  };
  Add(std::move(flag), false);
}

void FlagSet::AddChoice(const FlagSpec& spec,
                        const std::vector<std::string>& choices,
                        std::string* value) {
  Flag flag{spec, absl::StrJoin(choices, "|"), *value, "", nullptr};
  flag.set_value = [value, choices](const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      return WrongValue(text,
                        absl::StrCat("one of ", absl::StrJoin(choices, ", ")));
    }
    *value = text;
    return absl::OkStatus();
  };
  Add(std::move(flag), false);
}

void FlagSet::AddOptions(Message* options,
                         absl::Span<const absl::string_view> left_out) {
  for (const FieldDescriptor* field : base::OptionFields(*options, left_out)) {
    const Option& option = base::OptionOf(*field);
    FlagSpec spec;
    spec.names = {std::string(field->name())};
    spec.names.insert(spec.names.end(), option.aliases().begin(),
                      option.aliases().end());
    spec.what = option.what();
    spec.unit = option.unit();
    spec.required = option.required();
    spec.path = option.path();
    Flag flag{spec, ValueName(*field), DefaultText(*options, *field),
              // The value's name lists the choices.
              field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM
                  ? ""
                  : base::AllowedValues(*field),
              nullptr};
    const bool is_switch = flag.value_name.empty();
    flag.set_value = [options, field](const std::string& text) {
      const absl::Status status = base::SetOption(*field, text, *options);
      return status.ok() ? status
                         : absl::InvalidArgumentError(
                               absl::StrCat(": ", status.message()));
    };
    Add(std::move(flag), is_switch);
  }
}

void FlagSet::AddBool(const FlagSpec& spec, bool* value) {
  Flag flag{spec, "", *value ? "true" : "false", "", nullptr};
  flag.set_value = [value](const std::string& text) {
    if (text != "true" && text != "false") {
      return WrongValue(text, "true or false");
    }
    *value = text == "true";
    return absl::OkStatus();
  };
  Add(std::move(flag), true);
}

void FlagSet::AddInt(const FlagSpec& spec, IntRange range, int64_t* value) {
  Flag flag{spec, "N", absl::StrCat(*value), FormatRange(range), nullptr};
  flag.set_value = IntSetter(range, value);
  Add(std::move(flag), false);
}

void FlagSet::AddInt(const FlagSpec& spec, IntRange range,
                     std::optional<int64_t>* value) {
  Flag flag{spec, "N", value->has_value() ? absl::StrCat(**value) : "",
            FormatRange(range), nullptr};
  flag.set_value = IntSetter(range, value);
  Add(std::move(flag), false);
}

void FlagSet::Add(Flag flag, bool is_switch) {
  std::vector<std::string> names;
  if (!flag.spec.positional.empty()) names.push_back(flag.spec.positional);
  for (const std::string& name : flag.spec.names) {
    names.push_back(absl::StrCat("--", name));
  }
  const std::string joined = absl::StrJoin(names, ",");
  flag.option = is_switch ? app_.add_flag(joined) : app_.add_option(joined);
  // Keeps every value, so that Store can report more than one.
  flag.option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  if (flag.is_list) {
    flag.option->expected(1, CLI::detail::expected_max_vector_size);
    flag.option->allow_extra_args();
  }
  flags_.push_back(std::move(flag));
}

std::string FlagSet::Label(const Flag& flag) {
  return flag.spec.names.empty() ? flag.spec.positional
                                 : absl::StrCat("--", flag.spec.names[0]);
}

const FlagSet::Flag* FlagSet::Find(absl::string_view name) const {
  for (const Flag& flag : flags_) {
    const std::vector<std::string>& names = flag.spec.names;
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return &flag;
    }
  }
  return nullptr;
}

absl::Status FlagSet::CheckWords(absl::Span<const std::string> words) const {
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    absl::string_view name = words[i];
    if (!absl::ConsumePrefix(&name, "--")) continue;
    const bool has_empty_value = absl::ConsumeSuffix(&name, "=");
    const Flag* const flag = Find(name);
    if (flag == nullptr) continue;
    const bool is_switch = flag->value_name.empty();
    if (has_empty_value) return EmptyValue(name, is_switch);
    // CLI11 itself reports a last word without its value.
    if (is_switch || i + 1 == words.size()) continue;
    ++i;
    if (IsFlagWord(words[i])) return NoValue(name, words[i]);
  }
  return absl::OkStatus();
}

absl::Status FlagSet::StoreFlag(const Flag& flag) {
  const std::vector<std::string>& given = flag.option->results();
  if (given.size() > 1 && !flag.is_list) {
    return absl::InvalidArgumentError(
        absl::StrCat(Label(flag), ": expected one value, found \"", given[0],
                     "\" and \"", given[1], "\""));
  }
  for (const std::string& value : given) {
    const absl::Status status = flag.set_value(value);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(Label(flag), status.message()));
    }
  }
  return absl::OkStatus();
}

void FlagSet::SetAlternative(const std::string& name) {
  for (Flag& flag : flags_) flag.alternative = name;
}

bool FlagSet::IsGiven(const std::string& name) const {
  const Flag* const flag = Find(name);
  return flag != nullptr && flag->option->count() > 0;
}

absl::Status FlagSet::CheckPresence(const Flag& flag) const {
  const bool is_given = flag.option->count() > 0;
  if (!flag.alternative.empty() && IsGiven(flag.alternative)) {
    if (!is_given) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("expected ", Label(flag), " or --", flag.alternative,
                     ", found both; leave one out"));
  }
  if (is_given || !flag.spec.required) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Left(flag), " is missing: ", flag.spec.what));
}

absl::Status FlagSet::Store() const {
  for (const Flag& flag : flags_) {
    MOE_RETURN_IF_ERROR(StoreFlag(flag));
  }
  for (const Flag& flag : flags_) {
    MOE_RETURN_IF_ERROR(CheckPresence(flag));
  }
  return absl::OkStatus();
}

std::vector<GivenPath> FlagSet::GivenPaths() const {
  std::vector<GivenPath> paths;
  for (const Flag& flag : flags_) {
    if (flag.spec.path == Option::NO_PATH) continue;
    for (const std::string& value : flag.option->results()) {
      const bool is_named = flag.spec.path == Option::NAMED_INPUT_PATH;
      paths.push_back({Label(flag), flag.spec.path,
                       is_named ? value.substr(value.find('=') + 1) : value});
    }
  }
  return paths;
}

absl::Status FlagSet::ReplacePath(const std::string& flag,
                                  const std::string& path) {
  const auto found =
      std::find_if(flags_.begin(), flags_.end(),
                   [&](const Flag& one) { return Label(one) == flag; });
  MOE_CHECK(found != flags_.end());
  return found->set_value(path);
}

std::string FlagSet::Usage() const {
  std::vector<std::string> parts = Positionals();
  for (const Flag& flag : flags_) {
    if (flag.spec.required && flag.spec.positional.empty() &&
        flag.alternative.empty()) {
      parts.push_back(Left(flag));
    }
  }
  parts.push_back("[flags]");
  return absl::StrJoin(parts, " ");
}

std::string FlagSet::Left(const Flag& flag) {
  if (flag.spec.names.empty()) return flag.spec.positional;
  std::string text = absl::StrCat("--", flag.spec.names[0]);
  if (!flag.value_name.empty()) absl::StrAppend(&text, "=", flag.value_name);
  if (flag.spec.positional.empty()) return text;
  return absl::StrCat(flag.spec.positional, " or ", text);
}

std::string FlagSet::Right(const Flag& flag) {
  std::string text = flag.spec.what;
  if (flag.spec.required) {
    text += "; required";
    if (!flag.alternative.empty()) {
      absl::StrAppend(&text, " without --", flag.alternative);
    }
  } else {
    const bool has_default = !flag.default_text.empty();
    absl::StrAppend(&text, "; default ",
                    has_default ? flag.default_text : "none");
  }
  if (!flag.spec.unit.empty()) {
    absl::StrAppend(&text, "; unit ", flag.spec.unit);
  }
  if (!flag.allowed.empty()) absl::StrAppend(&text, "; ", flag.allowed);
  for (size_t i = 1; i < flag.spec.names.size(); ++i) {
    absl::StrAppend(&text, "; alias --", flag.spec.names[i]);
  }
  return text;
}

std::string FlagSet::Help() const {
  int columns = 0;
  for (const Flag& flag : flags_) {
    columns = std::max(columns, static_cast<int>(Left(flag).size()));
  }
  std::string text;
  for (const Flag& flag : flags_) {
    absl::StrAppendFormat(&text, "  %-*s  %s\n", columns, Left(flag),
                          Right(flag));
  }
  return text;
}

std::vector<std::string> FlagSet::Names() const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) {
    for (const std::string& name : flag.spec.names) {
      names.push_back(absl::StrCat("--", name));
    }
  }
  return names;
}

bool FlagSet::IsSwitch(absl::string_view name) const {
  const Flag* const flag = Find(absl::StripPrefix(name, "--"));
  return flag != nullptr && flag->value_name.empty();
}

std::vector<std::string> FlagSet::Positionals() const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) {
    if (!flag.spec.positional.empty()) names.push_back(flag.spec.positional);
  }
  return names;
}

}  // namespace moe::cli
