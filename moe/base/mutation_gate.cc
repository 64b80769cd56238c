#include "moe/base/mutation_gate.h"

#include <shared_mutex>

#include "moe/base/check.h"

namespace moe::base {
namespace {

// Never destroyed: threads may wait at it while the process ends.
std::shared_mutex& Gate() {
  static std::shared_mutex* const kGate = new std::shared_mutex;
  return *kGate;
}

// How many sections this thread is in.
thread_local int depth = 0;

}  // namespace

MutationSection::MutationSection() {
  if (depth++ == 0) Gate().lock_shared();
}

MutationSection::~MutationSection() {
  if (--depth == 0) Gate().unlock_shared();
}

void ShutMutationGateForGood() {
  MOE_CHECK(depth == 0);
  Gate().lock();
  depth = 1;  // This thread passes without the lock, which it never gives back.
}

}  // namespace moe::base
