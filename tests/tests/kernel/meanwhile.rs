//! What a terminal shows while the memory of a large process is read at the end of a trace.

use cowtrace_tests::{
    pythons::walkable,
    tmux::Terminal,
    tracer::{can_trace, program},
    workload::Service,
};

/// 4.5 million objects, which take longer to read than the screen waits.
const SERVICE: &str = r#"
import os, sys
data = [{"name": str(number), "pair": (number, str(number))} for number in range(900_000)]
orders, order = os.pipe()
done, answer = os.pipe()
if os.fork() == 0:
    os.close(order)
    while os.read(orders, 1):
        for entry in data:
            pass
        os.write(answer, b"x")
    os._exit(0)
print("{}", flush=True)
for line in sys.stdin:
    os.write(order, b"x")
    os.read(done, 1)
    print("{}", flush=True)
"#;

#[test]
fn the_card_is_shown_while_memory_is_read() {
    if !can_trace("meanwhile") {
        return;
    }
    let mut found = walkable();
    let python = found.pop().expect("some Python");
    let mut service = Service::start(python.command().args(["-c", SERVICE]));
    service.answer();
    let command = format!(
        "{} --pid {} --no-keep; exec sleep 1000",
        program("cowtrace").display(),
        service.pid()
    );
    let terminal = Terminal::start("meanwhile", (80, 40), &command);
    terminal.wait_for("Ctrl-C ends with the report");
    service.say("read");
    service.answer();
    terminal.press(&["C-c"]);
    let screen = terminal.wait_for("looking for the variables that hold what was copied");
    assert!(
        screen.contains("COPY-ON-WRITE: ") && screen.contains("reference counts"),
        "{screen}"
    );
    // It goes when the report comes, which has what was looked for.
    let screen = terminal.wait_for("__main__.data");
    assert!(!screen.contains("looking for the variables"), "{screen}");
    service.end();
}
