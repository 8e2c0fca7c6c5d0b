<?php
// Texts and one large text in the heap of PHP, which a worker changes in place. Reads "go", then the end.
$rows = [];
for ($row = 0; $row < 200000; $row++) {
    $rows[] = "row $row " . str_repeat("x", 100);
}
$large = str_repeat("x", 10 << 20);
[$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
// What is free stays as it is.
gc_disable();
$worker = pcntl_fork();
if ($worker === 0) {
    fclose($ours);
    while (fread($theirs, 1) === "g") {
        for ($row = 0; $row < 200000; $row++) {
            $rows[$row][0] = "y";
        }
        for ($at = 0; $at < 10 << 20; $at += 4096) {
            $large[$at] = "y";
        }
        fwrite($theirs, ".");
    }
    posix_kill(getmypid(), SIGKILL);
}
fclose($theirs);
function say(array $what): void
{
    echo json_encode($what), "\n";
}
say(["worker" => $worker, "heap" => memory_get_usage(true)]);
while (($line = fgets(STDIN)) !== false) {
    fwrite($ours, "g");
    fread($ours, 1);
    say(["done" => true]);
}
fclose($ours);
pcntl_waitpid($worker, $status);
