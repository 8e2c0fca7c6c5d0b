# Records that a master loads before it forks. Whoever compares an age as a number changes it if it is a text: Perl keeps
# the number beside it. NUMBERS=1 loads numbers instead. A request for /age reads all ages; each is answered by the
# worker's process id.
use strict;
use warnings;

my %people;
for my $number (1 .. 100_000) {
    my $age = $ENV{NUMBERS} ? $number % 90 : "" . $number % 90;
    $people{"person $number"} = { name => "Name $number", age => $age };
}
my @ids = keys %people;

my $app = sub {
    my ($env) = @_;
    my $adults = 0;
    if ($env->{PATH_INFO} eq "/age") {
        for my $id (@ids) {
            $adults++ if $people{$id}{age} > 17;
        }
    }
    return [200, ["Content-Type" => "text/plain"], ["$$"]];
};
