"""What an officer answered to a box by SMS, judged in one transaction.

The box tells it when data is back, which may be hours later: a press that came after his answer is
not answered by it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from vigibip.alert.life import IllegalEventError, IncidentState
from vigibip.post.store import contacts, incidents, messages
from vigibip.post.store.codes import Reason, Verdict, unproven
from vigibip.post.store.incidents import Change
from vigibip.post.store.records import Told
from vigibip.post.store.schema import Alert, Incident, OfficerPhoneCode

_VIA = "sms"


def judge(
    connection: Connection,
    box_id: str,
    alert_id: str,
    digest: bytes,
    age_s: int | None,
    now: datetime,
) -> Verdict | None:
    """Judge an answer that is `age_s` old (None: nobody knows); None: its alert is not here yet.

    A code serves one incident: told again for it, the box is told "coming" again.
    """
    alert = connection.execute(
        select(Alert.incident, Alert.pressed_at, Alert.received_at).where(
            Alert.box == box_id, Alert.id == alert_id
        )
    ).first()
    if alert is None:
        return None
    incident_id = alert[0]
    code = connection.execute(
        select(
            OfficerPhoneCode.id,
            OfficerPhoneCode.callsign,
            OfficerPhoneCode.used_at,
            OfficerPhoneCode.used_for,
        ).where(OfficerPhoneCode.digest == digest)
    ).first()
    if code is None or (code[2] is not None and code[3] != incident_id):
        unproven(connection, incident_id, "?", _VIA, Reason.WRONG_SMS_CODE, now)
        return Verdict(None, Reason.WRONG_SMS_CODE, False)
    if code[2] is not None:
        return Verdict(_told_again(connection, incident_id, box_id, alert_id, now), None, False)
    connection.execute(
        update(OfficerPhoneCode)
        .where(OfficerPhoneCode.id == code[0])
        .values(used_at=now, used_for=incident_id)
    )
    contacts.renew(connection, now)
    # Not before the press that he answered; of an unknown age, it is no younger than that.
    answered_at = alert[1] or alert[2]
    if age_s is not None:
        answered_at = max(answered_at, now - timedelta(seconds=age_s))
    try:
        change = incidents.answer(
            connection, incident_id, by=code[1], via=_VIA, now=now, answered_at=answered_at
        )
    except IllegalEventError:
        # It was closed meanwhile; he came all the same, and his box waits to hear that we know.
        return Verdict(_told_again(connection, incident_id, box_id, alert_id, now), None, False)
    if not any(one.box_id == box_id and alert_id in one.alerts for one in change.messages):
        again = _told_again(connection, incident_id, box_id, alert_id, now)
        change = Change(change.incident_id, change.state, (*change.messages, *again.messages))
    return Verdict(change, None, False)


def _told_again(
    connection: Connection, incident_id: str, box_id: str, alert_id: str, now: datetime
) -> Change:
    state = connection.execute(select(Incident.state).where(Incident.id == incident_id))
    outstanding = [
        one
        for one in messages.outstanding(connection, box_id)
        if one.state is Told.COMING and alert_id in one.alerts
    ]
    told = outstanding or messages.tell(connection, Told.COMING, [(box_id, alert_id)], now)
    return Change(incident_id, IncidentState(state.scalar_one()), tuple(told))
