// MOE_CHECK: the program's own invariants.
//
// For mistakes in this code base only, where going on would give a wrong
// answer. Whatever can come from a file, a flag or a spec is an absl::Status
// instead. Active in every build: an optimised build must not compute what a
// debug build would have refused to.

#ifndef MOE_BASE_CHECK_H_
#define MOE_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

namespace moe::base::internal {

[[noreturn]] inline void CheckFailed(const char* file, int line,
                                     const char* condition) {
  std::fprintf(stderr, "%s:%d: internal error: MOE_CHECK(%s) failed\n", file,
               line, condition);
  std::abort();
}

}  // namespace moe::base::internal

#define MOE_CHECK(condition)                                              \
  do {                                                                    \
    if (!(condition)) [[unlikely]] {                                      \
      ::moe::base::internal::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                                     \
  } while (false)

#endif  // MOE_BASE_CHECK_H_
