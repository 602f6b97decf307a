"""The program inside a sandbox: serves cases to a candidate, each in a process of its own.

It runs as PID 1 of a PID namespace, from this folder and the standard library alone. PID 1 cannot
be killed or stopped from inside its namespace, adopts every orphan, and takes the whole namespace
down when it exits. It imports nothing of the candidate: for every loaded variant it forks a
process that imports the entry's module once (the variant's *zygote*), and that one forks again
for every case. After a case, whatever is still running is killed and the temporary folder is
emptied, so nothing passes from one case to the next.

Everything here counts as the candidate for its host, which keeps its own clock and meter: what
this program does is hygiene and hardening, and the sandbox around it is the boundary.

Requests are JSON lines on the standard input, replies JSON lines on the standard output; both are
moved away from descriptors 0 to 2 before anything else. Its one argument is the settings (JSON;
`aem.isolation.runner.confinement`). The end of the input ends it, and so everything it started.

    {"op": "load", "variant", "entry": "module:function", "files": {path: base64}, "wall_s"}
      -> {"status": "loaded" | "error" | "timeout" | "out_of_memory" | "crashed", "error"}
    {"op": "run", "variant", "input", "wall_s", "load_wall_s", "output_bytes", "trace_lines"}
      -> {"stopped": null | "timeout" | "output_too_large" | "too_many_files" | "not_loaded",
          "error", "exit_status": null | wait status, "output": base64, "report": base64}
    {"op": "drop", "variant"} -> {"status": "dropped"}

The output is what the candidate wrote, byte for byte; the report is JSON that the case's process
wrote about it: {"status", "error", "lines": {path: [line, ...]} | null}.
"""
