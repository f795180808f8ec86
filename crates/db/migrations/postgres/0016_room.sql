-- An order changes twice soon after it was made, and a wallet with every payment: their new versions find room beside the old ones,
-- so that no index is written for them.
alter table orders set (fillfactor = 50);
alter table wallet set (fillfactor = 70);
