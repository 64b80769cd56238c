// Between changes of the file system a process can be told to stop for good.
//
// Every change of names (a file made, moved or removed) is made in a section.
// ShutForGood waits until no thread is in one and lets none in again, so that
// whoever clears up before the process ends sees nothing change under its
// hands. Bytes that are written to open files need no section: they change no
// names.

#ifndef MOE_BASE_MUTATION_GATE_H_
#define MOE_BASE_MUTATION_GATE_H_

namespace moe {

// Sections of one thread may be nested; together they are one.
class MutationSection {
 public:
  MutationSection();
  MutationSection(const MutationSection&) = delete;
  MutationSection& operator=(const MutationSection&) = delete;
  ~MutationSection();
};

// Returns once no other thread is in a section. A thread that wants to enter
// one afterwards waits until the process ends; the caller of this may. To be
// called once, outside of any section.
void ShutMutationGateForGood();

}  // namespace moe

#endif  // MOE_BASE_MUTATION_GATE_H_
