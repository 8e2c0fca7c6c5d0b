//! Copies that a process had given back.

use super::*;

#[test]
fn copies_that_were_given_back_are_not_held() {
    let mut run = run(40, linear(60), |_| 0, 0);
    let balance = |at: u64, copied: u64, own: u64| Balance {
        process_id: 1,
        at_ns: at * 1_000_000_000,
        copied_pages: copied * PAGES_PER_MIB,
        pages: PageBalance {
            is: BalanceIs::Exact,
            unshared_pages: own * PAGES_PER_MIB,
            ..PageBalance::default()
        },
    };
    let held = |run: &Run| growth_of_tree(run).unwrap().held_bytes >> 20;
    run.growth.balances = vec![balance(20, 30, 31)];
    assert_eq!(held(&run), 60, "all that it had copied was there");
    run.growth.balances = vec![balance(20, 30, 10)];
    assert_eq!(held(&run), 40, "20 were given back by then");
    run.growth.balances.push(balance(40, 60, 15));
    assert_eq!(held(&run), 15, "45 at the end");
    run.growth.balances[1].pages.is = BalanceIs::Coarse;
    assert_eq!(held(&run), 60, "not known by frames");
}
