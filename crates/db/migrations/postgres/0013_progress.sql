-- Checkpoints of many players rewrite most rows of a page at once: all of their new versions find room beside the old ones.
alter table player_state set (fillfactor = 45);
