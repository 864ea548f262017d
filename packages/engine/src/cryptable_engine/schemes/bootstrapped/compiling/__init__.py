"""From a circuit to a program: crypto parameters chosen, and Concrete's compiler in a process of its own."""
