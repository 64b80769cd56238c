// Stops changes of the file system for good, between two of them.
//
// Every change of names (making, moving or removing a file) happens in a
// section. ShutMutationGateForGood waits until no thread is in a section and
// lets none enter again. So nothing changes while a signal handler removes
// unfinished files before the process ends. Writing to open files needs no
// section, because it changes no names.

#ifndef MOE_BASE_MUTATION_GATE_H_
#define MOE_BASE_MUTATION_GATE_H_

namespace moe::base {

// Sections of one thread may be nested; together they are one.
class MutationSection {
 public:
  MutationSection();
  MutationSection(const MutationSection&) = delete;
  MutationSection& operator=(const MutationSection&) = delete;
  ~MutationSection();
};

// Returns once no other thread is in a section. Afterwards only the caller can
// enter sections; other threads that try wait until the process ends. Call it
// once, outside of any section.
void ShutMutationGateForGood();

}  // namespace moe::base

#endif  // MOE_BASE_MUTATION_GATE_H_
