use strict; use warnings; $| = 1;
my $what = shift;
our (%USER, @IDS);
for my $i (1 .. 100_000) {
    $USER{"user$i"} = { name => "Name number $i", age => ($what eq 'numbers' ? $i % 90 : "" . ($i % 90)), tags => ["t$i", "x" . ($i % 7)] };
    push @IDS, "user$i";
}
pipe(my $orders, my $order) or die; pipe(my $answers, my $answer) or die;
my %do = (
  reference => sub { my $n = 0; for my $i (0 .. $#IDS) { my $u = $USER{ $IDS[$i] }; $n += length $u->{name} } $n },
  loop => sub { my $n = 0; for my $u (values %USER) { $n += length $u->{name} } $n },
  copy => sub { my $n = 0; for my $i (0 .. $#IDS) { my $name = $USER{ $IDS[$i] }{name}; $n += length $name } $n },
  place => sub { my $n = 0; for my $i (0 .. $#IDS) { $n += length $USER{ $IDS[$i] }{name} } $n },
  age => sub { my $n = 0; for my $i (0 .. $#IDS) { $n++ if $USER{ $IDS[$i] }{age} > 17 } $n },
  numbers => sub { my $n = 0; for my $i (0 .. $#IDS) { $n++ if $USER{ $IDS[$i] }{age} > 17 } $n },
);
my $worker = fork();
if (!$worker) { sysread($orders, my $byte, 1); $do{$what}->(); syswrite($answer, 'd', 1); sleep 1000; exit 0; }
print "{\"master\": $$}\n"; my $line = <STDIN>;
syswrite($order, 'g', 1); sysread($answers, my $byte, 1); print "{\"done\": true}\n"; 1 while <STDIN>;
kill 'KILL', $worker; waitpid $worker, 0;
