BEGIN TRANSACTION;
CREATE TABLE callbacks (
    callback TEXT PRIMARY KEY,
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    method TEXT NOT NULL,
    stored TEXT                       -- the one request received and not yet taken
) STRICT;
INSERT INTO "callbacks" VALUES('0c80da22-c395-4805-a509-51739d4fe592_71614cf5-4ec5-4607-8ffc-1e99bf1ca886','465fd67e-7bf7-4b37-87dc-55ab9a4e8629','POST',NULL);
CREATE TABLE executions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    execution TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL REFERENCES workflows ON DELETE CASCADE,
    number INTEGER NOT NULL,
    revision TEXT NOT NULL,
    state TEXT NOT NULL,
    argument TEXT NOT NULL,           -- JSON text
    settings TEXT NOT NULL,           -- JSON: labels, callLogLevel and the like
    created TEXT NOT NULL,
    ended TEXT,
    result TEXT,                      -- JSON text, when SUCCEEDED
    error TEXT,                       -- JSON of the API's error object
    steps TEXT NOT NULL DEFAULT '[]', -- JSON: [routine, step] pairs
    busy INTEGER NOT NULL DEFAULT 1   -- 0: nothing to do until a wait ends
) STRICT;
INSERT INTO "executions" VALUES(1,'32899f40-dfbb-467e-8809-8e2cc021a370','test',1,'000001-b04','SUCCEEDED','"over"','{}','2026-01-31T16:04:27.372586Z','2026-01-31T16:04:27.389599Z','["over","1956db3e-53b4-4dfe-8413-e71a8ed00bd4",{"n":1}]',NULL,'[["main", "done"]]',0);
INSERT INTO "executions" VALUES(2,'465fd67e-7bf7-4b37-87dc-55ab9a4e8629','test',1,'000001-b04','ACTIVE','"waiting"','{}','2026-01-31T16:04:27.390267Z',NULL,NULL,NULL,'[["main", "wait"]]',0);
CREATE TABLE journal (
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    key TEXT NOT NULL,                -- of the request that is answered
    raised INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (execution, position),
    UNIQUE (execution, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "journal" VALUES('465fd67e-7bf7-4b37-87dc-55ab9a4e8629',1,'0:1',0,'"9a158d60-c8e6-49d2-9119-172c4a510471"');
INSERT INTO "journal" VALUES('465fd67e-7bf7-4b37-87dc-55ab9a4e8629',2,'0:2',0,'null');
INSERT INTO "journal" VALUES('465fd67e-7bf7-4b37-87dc-55ab9a4e8629',3,'0:3',0,'{"url":"http://127.0.0.1:8787/v1/projects/123456789012/locations/us-central1/workflows/test/executions/465fd67e-7bf7-4b37-87dc-55ab9a4e8629/callbacks/0c80da22-c395-4805-a509-51739d4fe592_71614cf5-4ec5-4607-8ffc-1e99bf1ca886"}');
CREATE TABLE logs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    time TEXT NOT NULL,
    severity TEXT NOT NULL,
    routine TEXT NOT NULL,
    step TEXT NOT NULL,
    payload TEXT NOT NULL             -- JSON: a text or a map
) STRICT;
INSERT INTO "logs" VALUES(1,'32899f40-dfbb-467e-8809-8e2cc021a370','2026-01-31T16:04:27.378010Z','DEFAULT','main','say','"1956db3e-53b4-4dfe-8413-e71a8ed00bd4"');
INSERT INTO "logs" VALUES(2,'465fd67e-7bf7-4b37-87dc-55ab9a4e8629','2026-01-31T16:04:27.391416Z','DEFAULT','main','say','"9a158d60-c8e6-49d2-9119-172c4a510471"');
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO "meta" VALUES('owner','countersign-demo (number 123456789012) in us-central1');
CREATE TABLE operations (
    sequence INTEGER PRIMARY KEY,
    operation TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL                -- JSON, as the API shows it, without its name
) STRICT;
CREATE TABLE revisions (
    workflow TEXT NOT NULL REFERENCES workflows ON DELETE CASCADE,
    number INTEGER NOT NULL,
    revision TEXT NOT NULL,
    fields TEXT NOT NULL,
    revised TEXT NOT NULL,
    PRIMARY KEY (workflow, number)
) STRICT;
INSERT INTO "revisions" VALUES('test',1,'000001-b04','{"sourceContents": "\nmain:\n  params: [input]\n  steps:\n    - identify: {assign: [{id: \"${uuid.generate()}\"}]}\n    - say: {call: sys.log, args: {text: \"${id}\"}}\n    - create: {call: events.create_callback_endpoint, result: callback}\n    - wait:\n        call: events.await_callback\n        args: {callback: \"${callback}\", timeout: 31536000}\n        result: request\n    - done: {return: [\"${input}\", \"${id}\", \"${request}\"]}\n"}','2026-01-31T16:04:27.371176Z');
CREATE TABLE waits (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,   -- the order in which they began to wait
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    key TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('sleep', 'callback', 'child')),
    due REAL,                         -- seconds since 1970; NULL: no end of its own
    subject TEXT,                     -- the callback or the child execution
    UNIQUE (execution, key)
) STRICT;
INSERT INTO "waits" VALUES(2,'465fd67e-7bf7-4b37-87dc-55ab9a4e8629','0:4','callback',4102444800.0,'0c80da22-c395-4805-a509-51739d4fe592_71614cf5-4ec5-4607-8ffc-1e99bf1ca886');
CREATE TABLE workflows (
    workflow TEXT PRIMARY KEY,
    number INTEGER NOT NULL,          -- of the latest revision
    revision TEXT NOT NULL,           -- its name, 000001-a4d
    fields TEXT NOT NULL,             -- JSON: what the client may set
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    revised TEXT NOT NULL
) STRICT;
INSERT INTO "workflows" VALUES('test',1,'000001-b04','{"sourceContents": "\nmain:\n  params: [input]\n  steps:\n    - identify: {assign: [{id: \"${uuid.generate()}\"}]}\n    - say: {call: sys.log, args: {text: \"${id}\"}}\n    - create: {call: events.create_callback_endpoint, result: callback}\n    - wait:\n        call: events.await_callback\n        args: {callback: \"${callback}\", timeout: 31536000}\n        result: request\n    - done: {return: [\"${input}\", \"${id}\", \"${request}\"]}\n"}','2026-01-31T16:04:27.371176Z','2026-01-31T16:04:27.371176Z','2026-01-31T16:04:27.371176Z');
CREATE INDEX executions_by_workflow ON executions (workflow, sequence);
CREATE INDEX executions_open ON executions (busy) WHERE state = 'ACTIVE';
CREATE INDEX waits_by_due ON waits (due) WHERE due IS NOT NULL;
CREATE INDEX waits_by_subject ON waits (subject) WHERE subject IS NOT NULL;
CREATE INDEX callbacks_by_execution ON callbacks (execution, callback);
CREATE INDEX logs_by_execution ON logs (execution, sequence);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('executions',2);
INSERT INTO "sqlite_sequence" VALUES('logs',2);
INSERT INTO "sqlite_sequence" VALUES('waits',2);
COMMIT;
PRAGMA user_version = 1;
