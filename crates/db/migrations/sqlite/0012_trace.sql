alter table outbox add column trace text; -- the place in a trace that the announcement came from; null where none is collected
alter table delivery add column trace text; -- the same
