#include "moe/base/json.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "moe/base/status_macros.h"

namespace moe::base {
namespace {

// Finds what the parser would accept, before a document is built.
class StrictnessHandler : public nlohmann::json_sax<Json> {
 public:
  explicit StrictnessHandler(size_t max_fields) : max_fields_(max_fields) {}

  const absl::Status& status() const { return status_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(Json::binary_t&) override { return true; }

  bool start_object(size_t) override {
    objects_.emplace_back();
    return Enter();
  }
  bool end_object() override {
    objects_.pop_back();
    return Leave();
  }
  bool start_array(size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }

  bool key(std::string& name) override {
    if (objects_.back().size() == max_fields_) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat("malformed JSON: expected at most ", max_fields_,
                       " fields in an object, found more"));
      return false;
    }
    if (objects_.back().insert(name).second) return true;
    status_ = absl::InvalidArgumentError(
        absl::StrCat("malformed JSON: the field \"", name, "\" occurs twice"));
    return false;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    status_ = absl::InvalidArgumentError(
        absl::StrCat("malformed JSON at byte ", position, ": ", error.what()));
    return false;
  }

 private:
  bool Enter() {
    if (++depth_ <= kMaxJsonDepth) return true;
    status_ = absl::InvalidArgumentError(
        absl::StrCat("malformed JSON: expected at most ", kMaxJsonDepth,
                     " levels, found a value that is nested deeper"));
    return false;
  }
  bool Leave() {
    --depth_;
    return true;
  }

  const size_t max_fields_;
  absl::Status status_;
  int depth_ = 0;
  std::vector<std::set<std::string>> objects_;
};

// The parser accepts every text that this check accepts.
absl::Status CheckStrictness(absl::string_view text, size_t max_fields) {
  // The parser would take it for the end of the text.
  const size_t zero = text.find('\0');
  if (zero != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("malformed JSON at byte ", zero + 1, ": a zero byte"));
  }
  StrictnessHandler handler(max_fields);
  if (Json::sax_parse(text.begin(), text.end(), &handler)) {
    return absl::OkStatus();
  }
  return handler.status();
}

}  // namespace

namespace internal {

absl::Status WrongType(absl::string_view field, const Json& got,
                       absl::string_view want) {
  constexpr size_t kMaxShown = 60;
  std::string shown = got.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (shown.size() > kMaxShown) {
    shown = absl::StrCat(shown.substr(0, kMaxShown), "...");
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected ", want, ", found ", shown));
}

absl::Status Missing(absl::string_view field, absl::string_view want) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected ", want, ", found no such field"));
}

}  // namespace internal

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  MOE_RETURN_IF_ERROR(CheckStrictness(text, kMaxJsonFields));
  return Json::parse(text.begin(), text.end(), /*cb=*/nullptr,
                     /*allow_exceptions=*/false);
}

absl::StatusOr<SortedJson> ParseSortedJson(absl::string_view text) {
  MOE_RETURN_IF_ERROR(
      CheckStrictness(text, std::numeric_limits<size_t>::max()));
  return SortedJson::parse(text.begin(), text.end(), /*cb=*/nullptr,
                           /*allow_exceptions=*/false);
}

absl::StatusOr<Json> ParseJsonObject(absl::string_view text) {
  MOE_ASSIGN_OR_RETURN(Json value, ParseJson(text));
  if (!value.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a JSON object, found a JSON ", value.type_name()));
  }
  return value;
}

std::string FormatJson(const Json& value) {
  return value.dump(2, ' ', /*ensure_ascii=*/false,
                    Json::error_handler_t::replace) +
         "\n";
}

const Json* FindField(const Json& object, absl::string_view field) {
  const auto found = object.find(std::string(field));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

}  // namespace moe::base
