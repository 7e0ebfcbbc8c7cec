BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE alert (
	box VARCHAR(12) NOT NULL, 
	id VARCHAR(16) NOT NULL, 
	incident VARCHAR(16) NOT NULL, 
	received_at DATETIME NOT NULL, 
	pressed_at DATETIME, 
	late BOOLEAN NOT NULL, 
	version INTEGER NOT NULL, 
	battery_mv INTEGER, 
	rssi_dbm INTEGER, 
	told VARCHAR(10), 
	CONSTRAINT pk_alert PRIMARY KEY (box, id), 
	CONSTRAINT fk_alert_box_box FOREIGN KEY(box) REFERENCES box (id), 
	CONSTRAINT fk_alert_incident_incident FOREIGN KEY(incident) REFERENCES incident (id)
);
INSERT INTO "alert" VALUES('box-00000001','00000001000000aa','7b165cafd0e4d8c4','2026-01-05 09:00:00.000000','2026-01-05 09:00:00.000000',0,1,NULL,NULL,'coming');
INSERT INTO "alert" VALUES('box-00000001','00000001000000ab','986694de630374dd','2026-01-05 09:01:00.000000','2026-01-05 09:00:57.000000',0,1,NULL,NULL,NULL);
INSERT INTO "alert" VALUES('box-00000001','00000001000000ac','986694de630374dd','2026-01-05 09:01:00.000000',NULL,1,1,NULL,NULL,NULL);
CREATE TABLE answer (
	id INTEGER NOT NULL, 
	incident VARCHAR(16), 
	at DATETIME NOT NULL, 
	"by" VARCHAR(80) NOT NULL, 
	via VARCHAR(20) NOT NULL, 
	proven BOOLEAN NOT NULL, 
	reason VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_answer PRIMARY KEY (id), 
	CONSTRAINT fk_answer_incident_incident FOREIGN KEY(incident) REFERENCES incident (id)
);
INSERT INTO "answer" VALUES(1,'7b165cafd0e4d8c4','2026-01-05 09:00:00.000000','Alpha 1','console',1,'');
CREATE TABLE box (
	id VARCHAR(12) NOT NULL, 
	shop VARCHAR(21) NOT NULL, 
	up_key BLOB, 
	down_key BLOB, 
	certificate_serial VARCHAR(42), 
	enrolled_at DATETIME, 
	revoked_at DATETIME, 
	last_sequence INTEGER NOT NULL, phone VARCHAR(16), 
	CONSTRAINT pk_box PRIMARY KEY (id), 
	CONSTRAINT fk_box_shop_shop FOREIGN KEY(shop) REFERENCES shop (id)
);
INSERT INTO "box" VALUES('box-00000001','shop-0000000000000001',X'0101010101010101010101010101010101010101010101010101010101010101',X'0202020202020202020202020202020202020202020202020202020202020202','1','2026-01-05 09:00:00.000000',NULL,1,'+33639980101');
CREATE TABLE box_message (
	box VARCHAR(12) NOT NULL, 
	sequence INTEGER NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	alerts JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	settled_at DATETIME, 
	acknowledged BOOLEAN NOT NULL, 
	CONSTRAINT pk_box_message PRIMARY KEY (box, sequence), 
	CONSTRAINT fk_box_message_box_box FOREIGN KEY(box) REFERENCES box (id)
);
INSERT INTO "box_message" VALUES('box-00000001',1,'coming','["00000001000000aa"]','2026-01-05 09:00:00.000000',NULL,0);
CREATE TABLE box_path (
	box VARCHAR(12) NOT NULL, 
	up_highest BIGINT NOT NULL, 
	up_bits VARCHAR(16) NOT NULL, 
	down_reserved BIGINT NOT NULL, 
	expected_since DATETIME, 
	proven_at DATETIME, 
	alert_at DATETIME, 
	heard_at DATETIME, 
	CONSTRAINT pk_box_path PRIMARY KEY (box), 
	CONSTRAINT fk_box_path_box_box FOREIGN KEY(box) REFERENCES box (id)
);
INSERT INTO "box_path" VALUES('box-00000001',41,'3',33,'2026-01-05 09:00:00.000000','2026-01-05 09:01:00.000000',NULL,'2026-01-05 09:01:00.000000');
CREATE TABLE enrolment_token (
	id VARCHAR(16) NOT NULL, 
	box VARCHAR(12) NOT NULL, 
	proof_key BLOB NOT NULL, 
	expires_at DATETIME NOT NULL, 
	claimed_key BLOB, 
	certificate_pem VARCHAR, 
	CONSTRAINT pk_enrolment_token PRIMARY KEY (id), 
	CONSTRAINT fk_enrolment_token_box_box FOREIGN KEY(box) REFERENCES box (id)
);
CREATE TABLE fault (
	kind VARCHAR(40) NOT NULL, 
	subject VARCHAR(80) NOT NULL, 
	since DATETIME NOT NULL, 
	last_at DATETIME NOT NULL, 
	count INTEGER NOT NULL, 
	detail VARCHAR(200) NOT NULL, 
	cleared_at DATETIME, 
	CONSTRAINT pk_fault PRIMARY KEY (kind, subject)
);
INSERT INTO "fault" VALUES('broker-lost','','2026-01-05 09:01:00.000000','2026-01-05 09:01:00.000000',1,'refused',NULL);
CREATE TABLE incident (
	id VARCHAR(16) NOT NULL, 
	shop VARCHAR(21) NOT NULL, 
	number INTEGER, 
	state VARCHAR(10) NOT NULL, 
	opened_at DATETIME NOT NULL, 
	last_press_at DATETIME NOT NULL, 
	presses INTEGER NOT NULL, 
	coming_since DATETIME, 
	answered_at DATETIME, 
	answered_by VARCHAR(80), 
	on_scene_at DATETIME, 
	closed_at DATETIME, 
	closed_by VARCHAR(80), 
	outcome VARCHAR(20), 
	CONSTRAINT pk_incident PRIMARY KEY (id), 
	CONSTRAINT fk_incident_shop_shop FOREIGN KEY(shop) REFERENCES shop (id)
);
INSERT INTO "incident" VALUES('7b165cafd0e4d8c4','shop-0000000000000001',1,'closed','2026-01-05 09:00:00.000000','2026-01-05 09:00:00.000000',1,NULL,'2026-01-05 09:00:00.000000','Alpha 1',NULL,'2026-01-05 09:00:00.000000','Régulation','real');
INSERT INTO "incident" VALUES('986694de630374dd','shop-0000000000000001',2,'open','2026-01-05 09:01:00.000000','2026-01-05 09:01:00.000000',2,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE officer_card (
	id INTEGER NOT NULL, 
	callsign VARCHAR(40) NOT NULL, 
	salt BLOB NOT NULL, 
	created_at DATETIME NOT NULL, 
	voided_at DATETIME, 
	CONSTRAINT pk_officer_card PRIMARY KEY (id)
);
INSERT INTO "officer_card" VALUES(1,'Alpha 1',X'73737373737373737373737373737373','2026-01-05 09:01:00.000000',NULL);
CREATE TABLE officer_code (
	id INTEGER NOT NULL, 
	card INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	used_at DATETIME, 
	used_for VARCHAR(16), 
	CONSTRAINT pk_officer_code PRIMARY KEY (id), 
	CONSTRAINT fk_officer_code_card_officer_card FOREIGN KEY(card) REFERENCES officer_card (id), 
	CONSTRAINT fk_officer_code_used_for_incident FOREIGN KEY(used_for) REFERENCES incident (id), 
	CONSTRAINT uq_officer_code_card_digest UNIQUE (card, digest)
);
INSERT INTO "officer_code" VALUES(1,1,X'6464646464646464646464646464646464646464646464646464646464646464',NULL,NULL);
INSERT INTO "officer_code" VALUES(2,1,X'6565656565656565656565656565656565656565656565656565656565656565',NULL,NULL);
CREATE TABLE officer_phone (
	callsign VARCHAR(40) NOT NULL, 
	number VARCHAR(16) NOT NULL, 
	salt BLOB NOT NULL, 
	made_at DATETIME NOT NULL, 
	CONSTRAINT pk_officer_phone PRIMARY KEY (callsign)
);
INSERT INTO "officer_phone" VALUES('Alpha 1','+33639983001',X'03030303030303030303030303030303','2026-01-05 09:00:00.000000');
CREATE TABLE officer_phone_code (
	id INTEGER NOT NULL, 
	callsign VARCHAR(40) NOT NULL, 
	digest BLOB NOT NULL, 
	used_at DATETIME, 
	used_for VARCHAR(16), 
	CONSTRAINT pk_officer_phone_code PRIMARY KEY (id), 
	CONSTRAINT fk_officer_phone_code_callsign_officer_phone FOREIGN KEY(callsign) REFERENCES officer_phone (callsign), 
	CONSTRAINT fk_officer_phone_code_used_for_incident FOREIGN KEY(used_for) REFERENCES incident (id), 
	CONSTRAINT uq_officer_phone_code_callsign_digest UNIQUE (callsign, digest)
);
INSERT INTO "officer_phone_code" VALUES(1,'Alpha 1',X'0404040404040404040404040404040404040404040404040404040404040404',NULL,NULL);
CREATE TABLE parked_message (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	topic VARCHAR(120) NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	payload BLOB NOT NULL, 
	CONSTRAINT pk_parked_message PRIMARY KEY (id)
);
INSERT INTO "parked_message" VALUES(1,'2026-01-05 09:01:00.000000','vigibip/1/x/up/alert','no box',X'00FF');
CREATE TABLE relay_round (
	incident VARCHAR(16) NOT NULL, 
	round_no INTEGER NOT NULL, 
	digest BOOLEAN NOT NULL, 
	caused_by VARCHAR(16), 
	due_at DATETIME NOT NULL, 
	leased_by VARCHAR(40), 
	lease_until DATETIME, 
	done_at DATETIME, 
	outcome VARCHAR(40), 
	CONSTRAINT pk_relay_round PRIMARY KEY (incident, round_no), 
	CONSTRAINT fk_relay_round_incident_incident FOREIGN KEY(incident) REFERENCES incident (id)
);
INSERT INTO "relay_round" VALUES('7b165cafd0e4d8c4',1,0,'00000001000000aa','2026-01-05 09:00:00.000000','post-1','2026-01-05 09:00:30.000000','2026-01-05 09:00:00.000000','answered');
INSERT INTO "relay_round" VALUES('986694de630374dd',1,0,'00000001000000ab','2026-01-05 09:01:00.000000','post-1','2026-01-05 09:01:30.000000',NULL,NULL);
INSERT INTO "relay_round" VALUES('986694de630374dd',2,0,'00000001000000ac','2026-01-05 09:01:00.000000','post-1','2026-01-05 09:01:30.000000',NULL,NULL);
CREATE TABLE shop (
	id VARCHAR(21) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	spoken VARCHAR(120) NOT NULL, 
	address VARCHAR(200) NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_shop PRIMARY KEY (id)
);
INSERT INTO "shop" VALUES('shop-0000000000000001','Tabac du Centre','Tabac du Centre','12 rue des Lilas','2026-01-05 09:00:00.000000');
CREATE TABLE sms_contacts (
	id INTEGER NOT NULL, 
	edition BIGINT NOT NULL, 
	post_numbers JSON NOT NULL, 
	CONSTRAINT pk_sms_contacts PRIMARY KEY (id)
);
INSERT INTO "sms_contacts" VALUES(1,1767603600,'["+33639982001"]');
CREATE TABLE sms_modem (
	name VARCHAR(40) NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	detail VARCHAR(200) NOT NULL, 
	advice VARCHAR(400) NOT NULL, 
	operator VARCHAR(40) NOT NULL, 
	technology VARCHAR(10) NOT NULL, 
	signal_dbm INTEGER, 
	rate_per_min FLOAT NOT NULL, 
	waiting INTEGER NOT NULL, 
	minutes_to_empty FLOAT NOT NULL, 
	seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_sms_modem PRIMARY KEY (name)
);
INSERT INTO "sms_modem" VALUES('modem-1','ready','','','VigiBip Mobile','LTE',-77,20.0,0,0.0,'2026-01-05 09:01:00.000000');
CREATE INDEX ix_officer_card_callsign ON officer_card (callsign);
CREATE INDEX ix_box_shop ON box (shop);
CREATE INDEX ix_incident_closed_at ON incident (closed_at);
CREATE INDEX ix_incident_last_press_at ON incident (last_press_at);
CREATE INDEX ix_incident_opened_at ON incident (opened_at);
CREATE UNIQUE INDEX uq_incident_open_number ON incident (number) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX uq_incident_open_shop ON incident (shop) WHERE closed_at IS NULL;
CREATE INDEX ix_alert_incident ON alert (incident);
CREATE INDEX ix_answer_at ON answer (at);
CREATE INDEX ix_answer_incident ON answer (incident);
CREATE INDEX ix_box_message_outstanding ON box_message (box) WHERE settled_at IS NULL;
CREATE INDEX ix_enrolment_token_box ON enrolment_token (box);
CREATE INDEX ix_officer_code_digest ON officer_code (digest);
CREATE INDEX ix_relay_round_undone ON relay_round (due_at) WHERE done_at IS NULL;
CREATE UNIQUE INDEX uq_box_phone ON box (phone);
CREATE INDEX ix_officer_phone_code_digest ON officer_phone_code (digest);
COMMIT;
