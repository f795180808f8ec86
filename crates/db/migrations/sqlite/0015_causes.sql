-- The cause of an achievement is asked for by refunds, and kept where its goal says that they take it back: elsewhere it is 0.
drop index achievement_cause;
create index achievement_cause on achievement (cause) where cause <> 0;
