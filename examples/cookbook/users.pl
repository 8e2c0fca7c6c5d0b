# A service in Perl: the master loads users, as from a CSV file, and four workers look them up. `perl users.pl fixed`
# does the same without writing to them.
use strict;
use warnings;

my $is_fixed = @ARGV && $ARGV[0] eq 'fixed';
my (%user, @ids);
for my $number (1 .. 150_000) {
    my $age = $number % 90;
    $user{"user$number"} = {
        name => "Name number $number",
        age  => $is_fixed ? $age : "$age",
        tags => [ "t$number", 'x' . $number % 7 ],
    };
    push @ids, "user$number";
}

sub older_than {
    my ($least, $letters, $found) = (shift, 0, 0);
    for (1 .. 20_000) {
        my $id = int rand @ids;
        if ($is_fixed) {
            $letters += length $user{ $ids[$id] }{name};
            $found++ if $user{ $ids[$id] }{age} > $least;
        }
        else {
            my $user = $user{ $ids[$id] };
            $letters += length $user->{name};
            $found++ if $user->{age} > $least;
        }
    }
    return $found;
}

my $end = time + 30;
for (1 .. 4) {
    next if fork;
    while (time < $end) { older_than(17); select undef, undef, undef, 0.5 }
    exit;
}
1 while wait > 0;
