<?php
// A script that loads users and forks workers, which take one user after the other. `php users.php fixed` does it
// without PHP's collector of cycles.
ini_set('memory_limit', '1G');

const WORKERS = 4;
const SECONDS = 20;

class User
{
    public $name;
    public $age;
    public $tags;
}

$users = [];
for ($i = 0; $i < 150000; $i++) {
    $user = new User();
    $user->name = "Name number $i";
    $user->age = $i % 90;
    $user->tags = ["tag $i", 'group ' . $i % 7];
    $users[] = $user;
}

function letters(array $users): int
{
    $letters = 0;
    foreach ($users as $user) {
        $letters += strlen($user->name);
    }
    return $letters;
}

if (($argv[1] ?? '') === 'fixed') {
    gc_disable();
}
for ($i = 0; $i < WORKERS; $i++) {
    if (pcntl_fork() === 0) {
        $end = microtime(true) + SECONDS;
        sleep(2);
        while (microtime(true) < $end) {
            letters($users);
            usleep(200000);
        }
        exit;
    }
}
while (pcntl_wait($status) > 0) {
}
