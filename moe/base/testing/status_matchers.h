// Matchers of absl::Status and absl::StatusOr for tests.
//
//   EXPECT_THAT(Open(path), IsOk());
//   EXPECT_THAT(Parse("7"), IsOkAndHolds(7));
//   EXPECT_THAT(Open(""), StatusIs(absl::StatusCode::kNotFound,
//                                  HasSubstr("config.json")));
//   MOE_ASSERT_OK_AND_ASSIGN(const Config config, Read(path));
//
// There is no "not OK" matcher: a test says which error it wants.

#ifndef MOE_BASE_TESTING_STATUS_MATCHERS_H_
#define MOE_BASE_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "moe/base/status_macros.h"

namespace moe::base::testing {

inline const absl::Status& GetStatus(const absl::Status& status) {
  return status;
}

template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  const absl::Status& status = GetStatus(arg);
  if (!status.ok()) *result_listener << "which is " << status.ToString();
  return status.ok();
}

MATCHER_P2(StatusIs, code_matcher, message_matcher,
           "has a code that " +
               ::testing::DescribeMatcher<absl::StatusCode>(code_matcher,
                                                            negation) +
               " and a message that " +
               ::testing::DescribeMatcher<std::string>(message_matcher,
                                                       negation)) {
  const absl::Status& status = GetStatus(arg);
  *result_listener << "which is " << status.ToString();
  return ::testing::Matches(code_matcher)(status.code()) &&
         ::testing::Matches(message_matcher)(std::string(status.message()));
}

inline auto StatusIs(absl::StatusCode code) {
  return StatusIs(code, ::testing::_);
}

MATCHER_P(IsOkAndHolds, value_matcher, "is OK and holds a value that matches") {
  if (!arg.ok()) {
    *result_listener << "which is " << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(value_matcher, arg.value(),
                                       result_listener);
}

}  // namespace moe::base::testing

#define MOE_ASSERT_OK(expression) \
  ASSERT_THAT(expression, ::moe::base::testing::IsOk())
#define MOE_EXPECT_OK(expression) \
  EXPECT_THAT(expression, ::moe::base::testing::IsOk())

#define MOE_ASSERT_OK_AND_ASSIGN(lhs, expression)                              \
  MOE_ASSERT_OK_AND_ASSIGN_IMPL_(MOE_STATUS_CONCAT_(moe_status_or_, __LINE__), \
                                 lhs, expression)

#define MOE_ASSERT_OK_AND_ASSIGN_IMPL_(result, lhs, expression) \
  auto result = (expression);                                   \
  ASSERT_THAT(result, ::moe::base::testing::IsOk());            \
  lhs = std::move(result).value()

#endif  // MOE_BASE_TESTING_STATUS_MATCHERS_H_
