<?php
// Arrays and objects that a master loaded, and a worker that takes one after the other, with PHP's collector of cycles
// or without it. Reads "go", then the end.
ini_set('memory_limit', '1G');
[$what, $collects] = explode('-', $argv[1] . '-');
class User
{
    public $name;
    public $tags;
}
$arrays = $objects = [];
for ($i = 0; $i < 100000; $i++) {
    $arrays[] = ['name' => "Name number $i", 'age' => $i % 90, 'tags' => ["t$i", 'x' . $i % 7]];
    $user = new User();
    $user->name = "Name number $i";
    $user->tags = ["t$i"];
    $objects[] = $user;
}
if ($collects === 'uncollected') {
    gc_disable();
}
[$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$worker = pcntl_fork();
if ($worker === 0) {
    fread($theirs, 1);
    $letters = 0;
    if ($what === 'arrays') {
        for ($i = 0; $i < 100000; $i++) {
            $user = $arrays[$i];
            $letters += strlen($user['name']);
        }
    } else {
        foreach ($objects as $user) {
            $letters += strlen($user->name);
        }
    }
    fwrite($theirs, '.');
    sleep(1000);
}
echo json_encode(['master' => getmypid()]), "\n";
fgets(STDIN);
fwrite($ours, 'g');
fread($ours, 1);
echo json_encode(['done' => true]), "\n";
while (fgets(STDIN) !== false) {
}
posix_kill($worker, SIGKILL);
pcntl_waitpid($worker, $status);
