// A private address for one service, and the DNS zone in which the network finds it under the service's usual name.

@description('Region.')
param location string
@description('Name of the endpoint.')
param name string
@description('Id of the service.')
param serviceId string
@description('Part of the service, as Azure names it.')
param groupId string
@description('DNS zone that Azure names for that part.')
param zoneName string
@description('Network that uses the zone.')
param networkId string
@description('Subnet of the address.')
param subnetId string

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: zoneName
  location: 'global'

  resource link 'virtualNetworkLinks' = {
    name: 'network'
    location: 'global'
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: networkId
      }
    }
  }
}

resource endpoint 'Microsoft.Network/privateEndpoints@2025-07-01' = {
  name: name
  location: location
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: name
        properties: {
          privateLinkServiceId: serviceId
          groupIds: [groupId]
        }
      }
    ]
  }

  resource records 'privateDnsZoneGroups' = {
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: 'zone'
          properties: {
            privateDnsZoneId: zone.id
          }
        }
      ]
    }
  }
}
